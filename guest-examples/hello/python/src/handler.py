"""Says hello to whoever the event names."""

import logging
from dataclasses import dataclass

from jackfield import Event, Output, handler


@dataclass
class Visitor:
    """Who comes."""

    name: str


@handler
def greet(event: Event[Visitor]) -> Output:
    """Greets, and answers so."""
    logging.info("greeting %s", event.data.name)
    return Output.json({"hello": event.data.name})
