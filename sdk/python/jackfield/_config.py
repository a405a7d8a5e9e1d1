"""Config: the settings of an integration in its environment. Secrets are not among them."""

from __future__ import annotations

from typing import Any, TypeVar, overload

from ._data import Unfit, loads, reader
from ._errors import Failure, Invalid
from ._host import call, interface

T = TypeVar("T")


class Config:
    """The settings of this integration in this environment.

    Secrets are not among them: they stay in the host, which adds them to the calls of a connection.
    """

    def get(self, name: str) -> str | None:
        """A setting's value, or None if the environment does not set it.

        Text is given as it is; a number, a boolean, a list or a table as JSON.
        """
        value: str | None = call(None, interface("config").get, name)
        return value

    def require(self, name: str) -> str:
        """A setting's value that must be there.

        If the environment does not set it, the run is tried again: somebody may set it meanwhile.
        """
        value = self.get(name)
        if value is None:
            raise Failure(
                f"the setting `{name}` is not set here: set it with `jackfield config set`", name="missing-setting"
            )
        return value

    @overload
    def json(self, name: str) -> Any: ...
    @overload
    def json(self, name: str, wanted: type[T]) -> T | None: ...
    def json(self, name: str, wanted: Any = Any) -> Any:
        """A setting that is a number, a boolean, a list or a table, as a type; None if it is not set."""
        text = self.get(name)
        if text is None:
            return None
        try:
            return reader(wanted)(text.encode("utf-8")) if wanted is not Any else loads(text)
        except Unfit as problem:
            raise Invalid(f"the setting `{name}` does not fit: {problem}") from None

    def all(self) -> dict[str, str]:
        """Every granted setting that has a value, by name."""
        return dict(call(None, interface("config").get_all))
