"""Looks an item up in another system."""

import logging
from dataclasses import dataclass

from jackfield import Context, Event, Output, Rejected, handler


@dataclass
class Wanted:
    """What the sender asks for."""

    id: int


@dataclass
class Item:
    """What the other system knows."""

    id: int
    name: str


@handler
def on_look_up(event: Event[Wanted], cx: Context) -> Output:
    """Answers with the item's name."""
    response = cx.http.get("api", f"/items/{event.data.id}")
    if response.status == 404:
        raise Rejected(f"there is no item {event.data.id}")
    item = response.error_for_status().json(Item)
    logging.info("item %s is called %s", item.id, item.name)
    return Output.json({"name": item.name})
