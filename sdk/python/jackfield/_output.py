"""An output: what a handler answers. Stored with the run."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ._data import dumps
from ._errors import Invalid

Pairs = Mapping[str, str] | Iterable[tuple[str, str]]
"""Names and values; as pairs a name may occur more than once."""


def pairs(given: Pairs | None) -> list[tuple[str, str]]:
    """Names and values as the host takes them."""
    if given is None:
        return []
    return list(given.items() if isinstance(given, Mapping) else given)


@dataclass
class Output:
    """What a handler answers.

    A webhook whose trigger says `respond = true` answers with it: status, headers and body. For other
    triggers it is what the run page shows.
    """

    data: builtins.bytes = b""
    content_type: str | None = None
    status: int | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def json(cls, value: object, *, status: int | None = None, headers: Pairs | None = None) -> Output:
        """A value as JSON: what the `json` module takes, and dataclasses."""
        try:
            data = dumps(value)
        except (TypeError, ValueError, RecursionError) as problem:
            raise Invalid(f"the output is not JSON: {problem}") from problem
        return cls(data, "application/json", status, pairs(headers))

    @classmethod
    def text(cls, text: str, *, status: int | None = None, headers: Pairs | None = None) -> Output:
        """Plain text."""
        return cls(text.encode("utf-8"), "text/plain; charset=utf-8", status, pairs(headers))

    @classmethod
    def bytes(
        cls, data: builtins.bytes, content_type: str, *, status: int | None = None, headers: Pairs | None = None
    ) -> Output:
        """Bytes of a media type."""
        return cls(data, content_type, status, pairs(headers))

    @classmethod
    def empty(cls, status: int, *, headers: Pairs | None = None) -> Output:
        """No body, only a status."""
        return cls(b"", None, status, pairs(headers))
