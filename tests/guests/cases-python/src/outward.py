"""Statements, messages, objects and mail."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from jackfield import Attachment, Context, DatabaseError, Event, Failure, Mail, Message
from told import told


@dataclass
class Order:
    """A row."""

    id: int
    name: str | None
    amount: Decimal
    paid: bool
    ratio: float
    raw: bytes | None
    items: list[str]
    large: int


def sql(cx: Context, _: Event[bytes]) -> Any:
    """Parameters and rows of every kind."""
    parameters = [7, True, 1.5, "Zoë \u2603", b"\x00\xff", None, 9_007_199_254_740_993, -(2**63), {"a": [1, None]}]
    found = cx.sql.query("ledger", "select * from orders where n = any($1)", parameters, Order)
    orders = [
        [
            *(order.id, order.name, str(order.amount), order.paid, order.ratio),
            *(None if order.raw is None else list(order.raw), order.items, str(order.large)),
        ]
        for order in found
    ]
    count = cx.sql.query("ledger", "select count(*) from orders", [], int).first()
    none = cx.sql.query("ledger", "select id from orders where false")
    columns = [[column.name, column.type_name] for column in found.columns]
    return {"rows": orders, "columns": columns, "count": count, "none": len(none)}


def sql_changes(cx: Context, _: Event[bytes]) -> Any:
    """Statements for their effect."""
    changed = cx.sql.execute("ledger", "update orders set paid = $1", [True])
    inserted = cx.sql.execute("ledger", "insert into orders (name) values ($1)", ["Zoë"])
    batch = cx.sql.batch("ledger").execute("insert into sales (n) values ($1)", [1])
    both = batch.execute("update stock set n = n - 1", expect_rows=1).commit()
    ids = [str(change.last_id or 0) for change in (changed, inserted)]
    return [[changed.rows, inserted.rows], ids, [change.rows for change in both]]


def sql_refused(cx: Context, _: Event[bytes]) -> Any:
    """Every way to fail."""
    answers, codes = [], []
    for number in range(7):
        try:
            cx.sql.execute("ledger", "update orders set n = $1", [number])
        except Failure as failure:
            codes.append(failure.code if isinstance(failure, DatabaseError) else "")
            answers.append([[failure.name, failure.message], failure.retryable])
    conflict = cx.sql.batch("ledger").execute("update stock set n = 0", expect_rows=1)
    denied = told(cx.sql.query, "other", "select 1")
    return {"answers": answers, "codes": codes, "conflict": told(conflict.commit), "denied": denied}


def messaging(cx: Context, _: Event[bytes]) -> Any:
    """Messages, and a reply."""
    messaging = cx.messaging
    messaging.publish("broker", "orders.paid", {"n": 12}, key="7", headers={"tenant": "acme"})
    csv = Message("orders.csv", "a,ü".encode(), content_type="text/csv")
    messaging.publish_all("broker", [Message("orders.empty"), csv])
    reply = messaging.request("broker", "orders.ask", 1, timeout_ms=10_000)
    return [reply.topic, reply.content_type, reply.headers.get("x-by"), reply.json()]


def messaging_refused(cx: Context, _: Event[bytes]) -> Any:
    """Every way to fail."""
    publish = cx.messaging.publish
    answers = [told(publish, "broker", "orders.paid", 1) for _ in range(4)]
    answers.append(told(cx.messaging.request, "broker", "orders.ask", 1))
    return [*answers, told(publish, "broker", "secret", 1)]


def blob(cx: Context, _: Event[bytes]) -> Any:
    """An object, from its beginning to its end."""
    blob, name = cx.blob, "2026/ü.pdf"
    etag = blob.put("files", name, b"\x00\xff", content_type="application/pdf", metadata={"order": "7"})
    known = blob.stat("files", name)
    if known is None:
        raise Failure("it is not there")
    whole = blob.get("files", name)
    part = blob.get_range("files", name, 1, 10)
    missing = [blob.stat("files", "2026/no") is not None, blob.get("files", "2026/no") is not None]
    listed = [info.name for info in blob.list("files", "2026/")]
    blob.remove("files", name)
    return {
        "etag": etag,
        "known": [str(known.size), known.content_type, known.metadata.get("order"), known.etag],
        "whole": list(whole or b""),
        "part": list(part or b""),
        "missing": missing,
        "listed": listed,
    }


def blob_refused(cx: Context, _: Event[bytes]) -> Any:
    """Every way to fail."""
    return [
        told(cx.blob.put, "files", "2026/a", [1]),
        told(cx.blob.get, "files", "2026/a"),
        told(cx.blob.remove, "files", "2026/a"),
        told(cx.blob.get, "files", "1999/a"),
    ]


def email(cx: Context, _: Event[bytes]) -> Any:
    """A short mail, and one that says everything."""
    short = cx.email.send("mail", Mail("Hi", to="a@example.com", text="text"))
    whole = Mail(
        "Grüße \u2603",
        sender="Shop <shop@example.com>",
        to=["a@example.com", "b@example.com"],
        cc="c@example.com",
        bcc="d@example.com",
        reply_to="e@example.com",
        text="text",
        html='<img src="cid:logo">',
        headers={"x-order": "7"},
        attachments=[
            Attachment("a.txt", "text/plain", "Zoë".encode()),
            Attachment("logo.png", "image/png", b"\x00\xff", "logo"),
        ],
    )
    return [short, cx.email.send("mail", whole)]


def email_refused(cx: Context, _: Event[bytes]) -> Any:
    """Every way to fail."""
    send = cx.email.send
    answers = [told(send, "mail", Mail("Hi", to="a@example.com", text="text")) for _ in range(3)]
    return [*answers, told(send, "mail", Mail("Hi", to="a@elsewhere.example", text="text"))]
