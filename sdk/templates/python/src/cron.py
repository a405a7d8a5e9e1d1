"""Counts the times that it was woken."""

import logging
from dataclasses import dataclass

from jackfield import Context, Event, Output, handler


@dataclass
class Tick:
    """What the schedule tells."""

    scheduled: str
    """The instant that this run is for, RFC 3339."""


@handler
def on_tick(event: Event[Tick], cx: Context) -> Output:
    """Counts, and answers with the count."""
    count = cx.kv.increment("ticks")
    logging.info("tick %s", count, extra={"scheduled": event.data.scheduled})
    return Output.json({"ticks": count})
