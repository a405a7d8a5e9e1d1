"""An event: what happened outside, as the handler receives it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from ._data import Unfit
from ._errors import Rejected

T = TypeVar("T")


class Attributes(list[tuple[str, str]]):
    """Name and value pairs. Order is kept, and a name may occur more than once."""

    def get(self, name: str) -> str | None:
        """The first value of a name. Case does not matter."""
        return next(iter(self.get_all(name)), None)

    def get_all(self, name: str) -> list[str]:
        """Every value of a name. Case does not matter."""
        return [value for known, value in self if known.lower() == name.lower()]


@dataclass
class Event(Generic[T]):
    """One event: the attributes of CloudEvents 1.0, and data.

    `T` is what the handler makes of the data: a dataclass, a TypedDict or another type that is filled from
    JSON, `Any` for JSON as it is, `None` if the data does not matter, or `bytes` for the data as it came.
    """

    id: str
    """Unique together with `source`. A retry of the same event has the same id."""
    source: str
    """Where it comes from, such as `/hooks/servicenow-to-github/announced`."""
    event_type: str
    """CloudEvents `type`, such as `com.github.issues`."""
    data: T
    """The data."""
    subject: str | None = None
    """What it is about, within `source`."""
    time: str | None = None
    """When it happened, RFC 3339."""
    content_type: str | None = None
    """The media type of the data."""
    schema: str | None = None
    """CloudEvents `dataschema`, a URI."""
    extensions: Attributes = field(default_factory=Attributes)
    """Extension attributes."""
    meta: Attributes = field(default_factory=Attributes)
    """What the trigger heard besides: a webhook's method, path, query and headers, a message's headers.
    Never credentials or signatures."""


def read_event(raw: Any, read: Callable[[bytes], T]) -> Event[T]:
    """The event as the handler wants it; rejected if it is not so, since it will be the same the next time."""
    try:
        data = read(raw.data)
    except Unfit as problem:
        raise Rejected(f"the event's data is not what the handler expects: {problem}") from None
    return Event(
        id=raw.id,
        source=raw.source,
        event_type=raw.event_type,
        data=data,
        subject=raw.subject,
        time=raw.time,
        content_type=raw.content_type,
        schema=raw.schema,
        extensions=Attributes(raw.extensions),
        meta=Attributes(raw.meta),
    )
