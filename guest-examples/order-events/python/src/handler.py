"""Takes orders, and counts those of each customer."""

import logging
from dataclasses import dataclass

from jackfield import Context, Event, Output, handler


@dataclass
class Order:
    """What was ordered, and by whom."""

    number: str
    customer: str


@handler
def on_order(event: Event[Order], cx: Context) -> Output:
    """Emits an event for an order that is taken, and counts it when it hears of it."""
    order = event.data
    if event.event_type == "order.taken":
        orders = cx.kv.increment(f"orders/{order.customer}")
        logging.info("order %s of %s is number %s", order.number, order.customer, orders)
        return Output.json({"customer": order.customer, "orders": orders})
    # An order that is sent twice is one event: its number is the id.
    event_id = cx.events.emit("order.taken", order, id=order.number, subject=order.customer)
    return Output.json({"event": event_id})
