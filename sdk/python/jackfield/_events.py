"""New events, for whoever listens."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypedDict, Unpack

from ._data import dumps
from ._errors import Failure, Invalid
from ._host import call, interface

_NOTHING: Any = object()


class Options(TypedDict, total=False):
    """What an event may say besides its type and its data."""

    id: str | None
    """The event's id; otherwise the host makes one. An id that the integration has used in the last seven days is
    accepted and ignored."""
    subject: str | None
    """What the event is about, such as `orders/7`."""
    content_type: str | None
    """The media type of the data, where the usual one is not meant."""
    schema: str | None
    """CloudEvents `dataschema`, a URI."""
    extensions: Mapping[str, str]
    """Extension attributes; their names are of lower-case letters and digits."""
    delay: float | timedelta
    """The event is delivered after so many seconds (whole ones, never sooner), at most a year."""


@dataclass(frozen=True)
class Draft:
    """An event to be. The host adds its source, which is the integration, and its time."""

    event_type: str
    """Its type, such as `order.paid`. Types that begin with `jackfield.` are the host's own."""
    data: object = _NOTHING
    """Its data: bytes as they are, anything else as JSON."""
    id: str | None = None
    """See `Options.id`."""
    subject: str | None = None
    """See `Options.subject`."""
    content_type: str | None = None
    """See `Options.content_type`."""
    schema: str | None = None
    """See `Options.schema`."""
    extensions: Mapping[str, str] = field(default_factory=dict)
    """See `Options.extensions`."""
    delay: float | timedelta = 0
    """See `Options.delay`."""


class Events:
    """New events, for every trigger that listens for them, in any integration of the environment.

    An event is stored before the call returns, and not taken back if the run fails afterwards. A run that is tried
    again does not emit it again.

    Limits: 100 events a call, 1 MiB an event, 4 MiB a call.
    """

    def emit(self, event_type: str, data: object = _NOTHING, **options: Unpack[Options]) -> str:
        """Emits an event, its data as JSON unless it is bytes. Returns its id."""
        ids = self.emit_all([Draft(event_type, data, **options)])
        if not ids:
            raise Failure("the host accepted an event without giving its id")
        return ids[0]

    def emit_all(self, drafts: Iterable[Draft]) -> list[str]:
        """Emits up to 100 events, all or none. Returns their ids, in their order."""
        host = interface("events")
        ids: list[str] = call(None, host.emit, [_draft(host, draft) for draft in drafts])
        return ids


def _draft(host: Any, draft: Draft) -> Any:
    content_type = draft.content_type
    if draft.data is _NOTHING:
        data = b""
    elif isinstance(draft.data, bytes):
        data = draft.data
    else:
        data = _json(draft.data)
        content_type = content_type or "application/json"
    return host.Draft(
        id=draft.id,
        event_type=draft.event_type,
        subject=draft.subject,
        content_type=content_type,
        schema=draft.schema,
        extensions=list(draft.extensions.items()),
        data=data,
        delay_seconds=_seconds(draft.delay),
    )


def _json(value: object) -> bytes:
    try:
        return dumps(value)
    except (TypeError, ValueError, RecursionError) as problem:
        raise Invalid(f"the data is not JSON: {problem}") from problem


def _seconds(delay: float | timedelta) -> int:
    """Whole seconds, never fewer than asked for."""
    if isinstance(delay, timedelta):
        delay = delay.total_seconds()
    if not delay >= 0:
        raise Invalid(f"a delay is 0 or more seconds, not {delay}")
    return min(math.ceil(min(delay, 2.0**32)), 2**32 - 1)
