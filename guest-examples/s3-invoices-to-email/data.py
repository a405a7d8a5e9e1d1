#!/usr/bin/env python3
"""Makes the invoices that the example's test puts into the bucket, and what must become of them:

outbox/        the invoices, a JSON and a PDF each; some are wrong
corrected/     one of the wrong ones, put right
mails.json     the mails that must come, with what is in them
again.json     the mail that must come for the corrected one
rejected.csv   the objects whose runs are dead letters, and what their reasons have in them
taken.json     the objects that are taken afterwards; left.json those that are left

Run it again after a change of it: the same invoices each time.
"""

import csv
import html
import json
import shutil
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

HERE = Path(__file__).parent
INVOICES = 60
CUSTOMERS = [
    ("Zoë Østergård", "zoe@acme.example"),
    ("O'Neill & Sons, Ltd.", "ap@acme.example"),
    ('Renée "Née" Dupont', "renee.dupont+invoices@globex.example"),
    ("李小龍", "li@globex.example"),
    ("Ольга Иванова", "olga@acme.example"),
    ("محمد علي", "m.ali@globex.example"),
    ("Nguyễn Thị Minh Khai", "khai@acme.example"),
    ("🍕 Pizza Palazzo 👨‍👩‍👧‍👦", "pizza@globex.example"),
    ("<script>alert('paid')</script>", "script@acme.example"),
    ("Ame\u0301lie (decomposed)", "amelie@acme.example"),
    ("{customer} %s $1 \\n", "placeholders@globex.example"),
    ("Müller & Söhne " + "und Partner " * 20 + "GmbH", "buchhaltung@müller.example"),
]
AMOUNTS = ["1190.00", "0.01", "0.10", "99.95", "1234567.89", "33.30", "0.00", "-45.50", "999999999999.99", "7.05"]
CURRENCIES = ["EUR", "USD", "GBP", "CHF", "SEK"]
MONTHS = "January February March April May June July August September October November December".split()


class Dice:
    """Numbers that are the same everywhere: a linear congruential generator."""

    state = 42

    def below(self, end: int) -> int:
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % end

    def one_of(self, choices: list) -> object:
        return choices[self.below(len(choices))]


def invoice(dice: Dice, number: int) -> dict:
    """A sound invoice."""
    customer, to = CUSTOMERS[number % len(CUSTOMERS)]
    due = None if number % 7 == 0 else date(2026, 11, 30) + timedelta(days=dice.below(90))
    if number == 10:
        due = date(2028, 2, 29)
    made = {
        "number": f"R-{1000 + number}",
        "customer": customer,
        "to": to,
        "amount": dice.one_of(AMOUNTS),
        "currency": dice.one_of(CURRENCIES),
        "due": due and due.isoformat(),
    }
    if number % 14 == 0:
        del made["due"]
    if number % 5 == 0:
        made["lines"] = [{"sku": "AB-104", "quantity": 2}]
    return made


def wrong_ones() -> list[tuple[str | bytes, bytes | None, str]]:
    """Invoices that are wrong: JSON (their number is put in for `#`), PDF, and what must be said of them."""
    sound = {
        "number": "#",
        "customer": "Nobody",
        "to": "nobody@acme.example",
        "amount": "9.95",
        "currency": "EUR",
        "due": "2026-12-15",
    }
    unread = "rejected: the event's data is not what the handler expects: "

    def changed(**fields: object) -> str:
        return written(sound | fields)

    def without(name: str) -> str:
        return written({key: value for key, value in sound.items() if key != name})

    decimal = 'not a decimal such as "1190.00"'
    address = "not one address such as jane@example.com"
    day = 'not a date such as "2026-12-15"'
    good = pdf("#", "EUR 9.95")
    return [
        (changed(), None, "rejected: outbox/#.pdf is not there; it has to come before the JSON"),
        (changed(), b"", "rejected: outbox/#.pdf is no PDF: it begins with b''"),
        (changed(), b"<html>404", "rejected: outbox/#.pdf is no PDF: it begins with b'<html>40'"),
        (changed(to="jane@elsewhere.example"), good, 'recipients = ["jane@elsewhere.example"]'),
        (changed(to="jane@acme.example.evil.example"), good, 'recipients = ["jane@acme.example.evil.example"]'),
        (changed(number="R-1"), good, "rejected: `number` is R-1, and the object is outbox/#.json"),
        (changed(number="../R-1"), good, "rejected: `number` is '../R-1', not capital letters, digits and dashes"),
        (changed(amount="12,50"), good, f"rejected: `amount` is '12,50', {decimal}"),
        (changed(amount="1e3"), good, f"rejected: `amount` is '1e3', {decimal}"),
        (changed(amount="NaN"), good, f"rejected: `amount` is 'NaN', {decimal}"),
        (changed(amount="9.9"), good, f"rejected: `amount` is '9.9', {decimal}"),
        (changed(amount="٣.٥٠"), good, f"rejected: `amount` is '٣.٥٠', {decimal}"),
        (changed(amount=9.95), good, unread + "`amount`: expected text, found a number"),
        (changed(amount=None), good, unread + "`amount`: expected text, found null"),
        (changed(currency="€"), good, "rejected: `currency` is '€', not three capital letters"),
        (changed(due="2027-02-29"), good, f"rejected: `due` is '2027-02-29', {day}"),
        (changed(due="15.12.2026"), good, f"rejected: `due` is '15.12.2026', {day}"),
        (changed(customer=" "), good, "rejected: `customer` is ' ', not a name on one line"),
        (
            changed(customer="Jane\nBcc: x@evil.example"),
            good,
            "rejected: `customer` is 'Jane\\nBcc: x@evil.example', not",
        ),
        (
            changed(to="a@acme.example, b@evil.example"),
            good,
            f"rejected: `to` is 'a@acme.example, b@evil.example', {address}",
        ),
        (changed(to="a@acme.example\r\nBcc: b@evil.example"), good, "rejected: `to` is 'a@acme.example\\r\\nBcc: b"),
        (changed(to="acme.example"), good, f"rejected: `to` is 'acme.example', {address}"),
        (without("to"), good, unread + "missing field `to`"),
        (without("customer"), good, unread + "missing field `customer`"),
        (changed()[:40], good, unread + "it is not JSON: "),
        ("", good, unread + "expected an object, found null"),
        ("[]", good, unread + "expected an object, found a list"),
        (changed(customer="Zoë").encode("latin-1"), good, unread + "it is not UTF-8: "),
    ]


def pdf(number: str, amount: str, more: bytes = b"") -> bytes:
    """A page that says the number and the amount; `more` is in it and on no page."""
    text = f"BT /F1 24 Tf 72 720 Td (Invoice {number}) Tj 0 -36 Td ({amount}) Tj ET".encode("ascii")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    if more:
        objects.append(b"<< /Length %d >>\nstream\n%b\nendstream" % (len(more), more))
    made, places = b"%PDF-1.4\n", []
    for index, body in enumerate(objects, 1):
        places.append(len(made))
        made += b"%d 0 obj\n%b\nendobj\n" % (index, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    end = b"xref\n0 %d\n0000000000 65535 f \n%btrailer\n<< /Size %d /Root 1 0 R >>\n" % (size, table, size)
    return made + end + b"startxref\n%d\n%%%%EOF\n" % len(made)


def mail(made: dict) -> dict:
    """The mail of an invoice."""
    number, amount, due = made["number"], Decimal(made["amount"]), made.get("due")
    money = f"{made['currency']} {abs(amount):,}"
    wish = f"Please pay {money}."
    if due:
        day = date.fromisoformat(due)
        wish = f"Please pay {money} by {day.day} {MONTHS[day.month - 1]} {day.year}."
    if amount == 0:
        wish = "There is nothing to pay."
    if amount < 0:
        wish = f"We will pay you {money}."
    kind = "Credit note" if amount < 0 else "Invoice"
    return {
        "to": made["to"].replace("müller", "xn--mller-kva"),
        "subject": f"{kind} {number}",
        "text_contains": [f"Dear {made['customer']},", f"{kind} {number} is attached. {wish}"],
        "html_contains": [f"<p>Dear {html.escape(made['customer'])},</p>", f"<strong>{wish}</strong>"],
        "attachments": [{"name": f"{number}.pdf", "equals": f"outbox/{number}.pdf"}],
    }


def written(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def main() -> None:
    """Writes all files."""
    for folder in ["outbox", "corrected"]:
        shutil.rmtree(HERE / folder, ignore_errors=True)
        (HERE / folder).mkdir()
    dice = Dice()
    invoices = [invoice(dice, number) for number in range(1, INVOICES + 1)]
    taken, left, rejected = [], [], []
    for index, made in enumerate(invoices):
        number = made["number"]
        # Bytes that a mail must not change: all of them, ends of lines, a lone dot.
        more = bytes(range(256)) + b"\r\n.\r\n..\n\r\r\n" if index % 10 == 0 else b""
        if index == 20:
            more = bytes(dice.below(256) for _ in range(100_000))
        write(f"outbox/{number}.pdf", pdf(number, f"{made['currency']} {made['amount']}", more))
        write(f"outbox/{number}.json", json.dumps(made, ensure_ascii=index % 6 == 0, indent=index % 2 or None))
        taken += [f"taken/{number}.json", f"taken/{number}.pdf"]
    for index, (body, file, reason) in enumerate(wrong_ones()):
        number = f"W-{index + 1:02}"
        text = body if isinstance(body, bytes) else body.replace("#", number)
        write(f"outbox/{number}.json", text)
        names = [f"{number}.json"]
        if file is not None:
            write(f"outbox/{number}.pdf", file.replace(b"#", number.encode()))
            names.append(f"{number}.pdf")
        # What the mail connection refuses is taken: it is no fault of the object.
        if reason.startswith("recipients"):
            taken += [f"taken/{name}" for name in names]
        else:
            left += [f"outbox/{name}" for name in names]
        rejected.append([f"outbox/{number}.json", reason.replace("#", number)])

    corrected = {
        "number": "W-08",
        "customer": "Nobody",
        "to": "nobody@acme.example",
        "amount": "12.50",
        "currency": "EUR",
    }
    write("corrected/W-08.json", written(corrected))
    write("mails.json", lines(map(mail, invoices)))
    write("again.json", lines([mail(corrected)]))
    write("taken.json", lines(taken))
    write("left.json", lines(left))
    with (HERE / "rejected.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([["subject", "reason"], *rejected])


def lines(values: object) -> str:
    """A list, one element a line."""
    return "[\n" + ",\n".join(written(value) for value in values) + "\n]\n"


def write(name: str, data: str | bytes) -> None:
    (HERE / name).write_bytes(data.encode() if isinstance(data, str) else data)


main()
