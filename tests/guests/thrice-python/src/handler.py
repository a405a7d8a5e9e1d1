"""Reserves, charges and sends what was ordered: three calls, each with the answer of the one before."""

import logging
from dataclasses import dataclass
from typing import Any

from jackfield import Context, Event, Failure, Output, handler


@dataclass
class Order:
    """What was ordered."""

    order: str


@handler
def on_order(event: Event[Order], cx: Context) -> Output:
    """Handles an order."""
    order = event.data.order
    reservation = number(cx, "reservation", "stock", "/reservations", {"order": order})
    charge = number(cx, "charge", "bank", "/charges", {"reservation": reservation})
    parcel = number(cx, "parcel", "parcels", "/parcels", {"order": order, "charge": charge})
    return Output.json({"reservation": reservation, "charge": charge, "parcel": parcel})


def number(cx: Context, what: str, connection: str, path: str, body: dict[str, Any]) -> str:
    """The number that the other side gives."""
    response = cx.http.post(connection, path, json=body)
    if not response.is_success:
        raise Failure(f"{what}: {response.status}")
    answer = response.json(dict[str, str])
    # The bug of version 1: it takes for granted that every side calls it a number. Version 2 knows better.
    name = "id" if cx.run().version > 1 and "number" not in answer else "number"
    logging.info("%s %s", what, answer[name])
    return answer[name]
