"""Counts how often it has heard of an item."""

import logging
from dataclasses import dataclass

from jackfield import Context, Event, Output, handler


@dataclass
class Item:
    """What the sender tells."""

    id: int


@handler
def on_item(event: Event[Item], cx: Context) -> Output:
    """Counts, and answers with the count."""
    item = event.data
    times = cx.kv.increment(f"seen/{item.id}")
    logging.info("item %s", item.id, extra={"times": str(times)})
    return Output.json({"id": item.id, "times": times})
