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
    if response.status >= 500:
        raise Failure(f"{what}: {response.status}")
    # The bug of this handler: it takes for granted that a refusal says why, in JSON.
    answer = response.json(dict)
    if response.status >= 300:
        raise Failure(f"{what}: {answer['why']}")
    logging.info("%s %s", what, answer["number"])
    return answer["number"]
