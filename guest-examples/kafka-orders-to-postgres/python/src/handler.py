"""Writes the orders of a Kafka topic into PostgreSQL: each order once and with all its lines, or not at all.

An order that is wrong is rejected, by the name of the field and its value: it becomes a dead letter, and the others
go on.
"""

import json
import logging
import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from jackfield import Context, DatabaseError, Event, Output, Rejected, handler

MOST_LINES = 99
"""A batch has at most 100 statements, and one of them is the order's own."""
MOST_PIECES = 1_000_000
"""The most of one article in a line."""

INSERT_ORDER = (
    "insert into orders (id, customer, placed_at, currency, note, total, record) "
    "values ($1, $2, $3, $4, $5, $6, $7) on conflict (id) do nothing"
)
INSERT_LINE = (
    "insert into order_lines (order_id, position, sku, quantity, price) "
    "select id, $2, $3, $4, $5 from orders where id = $1 and record = $6 on conflict do nothing"
)
"""Only if the order came with the same record: a second order of a known id must not add lines to the first."""

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
PRICE = re.compile(r"\d{1,9}(\.\d{1,2})?", re.ASCII)


@dataclass
class Line:
    """So many of an article."""

    sku: str
    quantity: int
    price: Decimal


@handler
def on_order(event: Event[Any], cx: Context) -> Output:
    """Writes one order."""
    order = event.data if isinstance(event.data, dict) else {}
    order_id, customer = text(order, "", "id"), text(order, "", "customer")
    placed_at, code, remark, items = time(order), currency(order), note(order), lines(order)
    total = sum((line.price * line.quantity for line in items), Decimal("0.00"))
    # Cluster, topic, partition and offset.
    record = f"{event.source}/{event.id}"
    batch = cx.sql.batch("warehouse")
    batch.execute(INSERT_ORDER, [order_id, customer, placed_at, code, remark, total, record])
    for position, line in enumerate(items, 1):
        batch.execute(INSERT_LINE, [order_id, position, line.sku, line.quantity, line.price, record])
    try:
        written = batch.commit()[0].rows == 1
    except DatabaseError as error:
        # What a table does not take is the order's fault, and will be the next time. All else may pass, or is ours to
        # put right.
        if error.code.startswith(("22", "23")):
            raise Rejected(f"the database does not take order {order_id}: {error}") from error
        raise
    if written:
        logging.info("order %s is written", order_id, extra={"lines": len(items), "total": str(total)})
    else:
        logging.info("order %s is there already", order_id)
    return Output.json({"order": order_id, "lines": len(items), "total": str(total), "written": written})


def time(order: dict[str, Any]) -> str:
    """When it was placed, as it came."""
    value = text(order, "", "placed_at")
    try:
        if TIME.fullmatch(value):
            datetime.fromisoformat(value)
            return value
    except ValueError:
        pass
    raise wrong("", "placed_at", value, 'a time such as "2026-11-02T08:15:00Z"')


def currency(order: dict[str, Any]) -> str:
    """What its prices are in."""
    value = text(order, "", "currency")
    if not re.fullmatch("[A-Z]{3}", value):
        raise wrong("", "currency", value, "three capital letters")
    return value


def note(order: dict[str, Any]) -> str | None:
    """What the customer had to say, if anything."""
    value = order.get("note")
    if value is not None and not isinstance(value, str):
        raise wrong("", "note", value, "a text or null")
    return value


def lines(order: dict[str, Any]) -> list[Line]:
    """What was ordered."""
    value = field(order, "", "lines")
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_LINES:
        raise wrong("", "lines", value, f"a list of 1 to {MOST_LINES} lines")
    return [read_line(line, f"lines[{index}].") for index, line in enumerate(value)]


def read_line(line: object, place: str) -> Line:
    """One line; nothing but an object has fields."""
    fields = line if isinstance(line, dict) else {}
    sku = text(fields, place, "sku")
    quantity = field(fields, place, "quantity")
    # True is an int, too.
    if type(quantity) is not int or not 1 <= quantity <= MOST_PIECES:
        raise wrong(place, "quantity", quantity, f"a whole number from 1 to {MOST_PIECES}")
    price = field(fields, place, "price")
    if not isinstance(price, str) or not PRICE.fullmatch(price):
        raise wrong(place, "price", price, 'a decimal in text such as "9.95"')
    return Line(sku, quantity, Decimal(price))


def text(fields: dict[str, Any], place: str, name: str) -> str:
    """A text that must be there."""
    value = field(fields, place, name)
    if not isinstance(value, str) or not value:
        raise wrong(place, name, value, "a text that is not empty")
    return value


def field(fields: dict[str, Any], place: str, name: str) -> Any:
    """A value that must be there."""
    if name not in fields:
        raise Rejected(f"`{place}{name}` is missing")
    return fields[name]


def wrong(place: str, name: str, value: object, wanted: str) -> Rejected:
    """Names the field and what is there, as JSON and not more than a line of it."""
    shown = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if len(shown) > 80:
        shown = shown[:80] + "…"
    return Rejected(f"`{place}{name}` is {shown}, not {wanted}")
