#!/usr/bin/env python3
"""Makes the orders that the example's test sends, and what must become of them:

orders.jsonl   one record a line, as they are sent
expected.csv   what the tables hold afterwards, as written.sql shows them
rejected.csv   the lines (counted from 1) that are dead letters, and what their reasons have in them

Run it again after a change of it: the same orders each time.
"""

import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

HERE = Path(__file__).parent
ORDERS = 190
BEGIN = datetime(2026, 11, 2, 8, 15, tzinfo=timezone.utc)

CUSTOMERS = [
    "Zoë Østergård",
    "O'Neill & Sons, Ltd.",
    'Renée "Née" Dupont',
    "李小龍",
    "Ольга Иванова",
    "محمد علي",
    "Nguyễn Thị Minh Khai",
    "🍕 Pizza Palazzo",
    "Robert'); drop table orders;--",
    "C:\\Müller\\GmbH $1 %s {0}",
    "Ame\u0301lie (decomposed)",
    "  spaces, within and around  ",
    "nobody",
]
NOTES = [
    None,
    "",
    "Please ring twice.",
    "She said \"soon\", he said 'now'.",
    "First line\nsecond line\n\nfourth line",
    "a,comma;a\ttab\\and a backslash",
    "Grüße an die ganze Familie 👨‍👩‍👧‍👦",
    "مرحبا 你好 שלום",
    "null",
    "'; delete from order_lines; --",
    "Ring the bell, then wait; " * 800,
]
SKUS = ["AB-104", "CD-7", "EF-2250", "Ä-1", "GH-31/b", "クッキー-5"]
PRICES = ["9.95", "0.1", "12", "120.50", "0.01", "1999.99", "33.3", "0", "7.05"]
CURRENCIES = ["EUR", "USD", "GBP", "CHF", "JPY", "SEK"]


class Dice:
    """Numbers that are the same everywhere: a linear congruential generator."""

    state = 42

    def below(self, end: int) -> int:
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % end

    def one_of(self, choices: list) -> object:
        return choices[self.below(len(choices))]


def order(dice: Dice, number: int) -> dict:
    """A sound order."""
    placed = BEGIN + timedelta(minutes=17 * number, milliseconds=250 * (number % 4))
    made = {
        "id": f"O-{number:04}",
        "customer": dice.one_of(CUSTOMERS),
        "placed_at": written_time(dice, placed),
        "currency": dice.one_of(CURRENCIES),
        "note": dice.one_of(NOTES[:-1]),
        "lines": [line(dice) for _ in range(1 + dice.below(4))],
    }
    if number == 20:
        made["note"] = NOTES[-1]
    if number == 40:
        # The most that a batch takes; a float64 has no 0.1 to add up.
        made["lines"] = [{"sku": "AB-104", "quantity": 1, "price": "0.1"} for _ in range(99)]
    if number == 60:
        made["lines"] = [{"sku": "EF-2250", "quantity": 10, "price": "999999999.99"}]
    if number % 9 == 0:
        del made["note"]
    if number % 10 == 0:
        made["paid"] = {"by": ["card"], "unknown": None}
    return made


def line(dice: Dice) -> dict:
    """So many of an article."""
    return {"sku": dice.one_of(SKUS), "quantity": 1 + dice.below(12), "price": dice.one_of(PRICES)}


def written_time(dice: Dice, at: datetime) -> str:
    """RFC 3339, in one zone or another."""
    hours = dice.one_of([0, 0, 1, -5])
    text = at.astimezone(timezone(timedelta(hours=hours))).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z" if hours == 0 else text


def wrong_ones() -> list[tuple[str, str]]:
    """Records that are wrong, and what must be said of them."""
    sound = {
        "id": "W-0",
        "customer": "nobody",
        "placed_at": "2026-11-05T10:00:00Z",
        "currency": "EUR",
        "note": None,
        "lines": [{"sku": "AB-104", "quantity": 1, "price": "9.95"}, {"sku": "CD-7", "quantity": 2, "price": "0.1"}],
    }

    def changed(**fields: object) -> str:
        return written(sound | fields)

    def second(**fields: object) -> str:
        return changed(lines=[sound["lines"][0], sound["lines"][1] | fields])

    whole = "not a whole number from 1 to 1000000"
    decimal = 'not a decimal in text such as "9.95"'
    refused = "the database does not take order W-{}: step 1 of 3: {}"
    unread = "the event's data is not what the handler expects"
    return [
        (written({name: value for name, value in sound.items() if name != "id"}), "`id` is missing"),
        (changed(id=7), "`id` is 7, not a text that is not empty"),
        (changed(customer=""), '`customer` is "", not a text that is not empty'),
        (changed(placed_at="yesterday"), '`placed_at` is "yesterday", not a time such as "2026-11-02T08:15:00Z"'),
        (changed(placed_at="2026-11-05 10:00"), '`placed_at` is "2026-11-05 10:00", not a time'),
        (changed(currency="€"), '`currency` is "€", not three capital letters'),
        (changed(note=["much"]), '`note` is ["much"], not a text or null'),
        (changed(lines=[]), "`lines` is [], not a list of 1 to 99 lines"),
        (changed(lines=[0] * 100), "`lines` is [" + "0," * 39 + "0…, not a list of 1 to 99 lines"),
        (changed(lines=None), "`lines` is null, not a list of 1 to 99 lines"),
        (second(sku=None), "`lines[1].sku` is null, not a text that is not empty"),
        (second(quantity=0), f"`lines[1].quantity` is 0, {whole}"),
        (second(quantity=-3), f"`lines[1].quantity` is -3, {whole}"),
        (second(quantity="2"), f'`lines[1].quantity` is "2", {whole}'),
        (second(quantity=1.5), f"`lines[1].quantity` is 1.5, {whole}"),
        (second(price="12,50"), f'`lines[1].price` is "12,50", {decimal}'),
        (second(price="-1"), f'`lines[1].price` is "-1", {decimal}'),
        (second(price="٣.50"), f'`lines[1].price` is "٣.50", {decimal}'),
        (second(price=9.95), f"`lines[1].price` is 9.95, {decimal}"),
        # What a table does not take: PostgreSQL says so.
        (changed(id="W-1", currency="XXX"), refused.format(1, 'new row for relation "orders" violates')),
        (changed(id="W-2", note="a\0b"), refused.format(2, 'invalid byte sequence for encoding "UTF8": 0x00')),
        (second(quantity=20, price="999999999.99").replace("W-0", "W-3"), refused.format(3, "numeric field overflow")),
        ('{"id": "W-4", "lines": [', unread),
        ("This is no JSON, but a line of a log: 100 % done", unread),
    ]


def written(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def main() -> None:
    """Writes the three files."""
    dice = Dice()
    orders = [order(dice, number) for number in range(1, ORDERS + 1)]
    records = [json.dumps(order, ensure_ascii=number % 7 == 0) for number, order in enumerate(orders)]
    # Sent twice: the same, and the same id with other lines. What came first stays as it is.
    again = [(30, orders[4]), (31, orders[30]), (90, orders[80] | {"lines": [*orders[80]["lines"], line(dice)]})]
    again.append((150, orders[120] | {"note": "changed", "lines": [{"sku": "CD-7", "quantity": 1, "price": "1"}] * 6}))
    for place, repeated in reversed(again):
        records.insert(place, written(repeated))
    rejected = []
    for number, (text, reason) in enumerate(wrong_ones()):
        place = 3 + 8 * number
        records.insert(place, text)
        rejected.append((place + 1, reason))

    (HERE / "orders.jsonl").write_text("".join(record + "\n" for record in records), encoding="utf-8")
    header = ["id", "customer", "placed_at", "currency", "note", "characters", "total", "lines"]
    write_csv("expected.csv", header, [row(order) for order in orders])
    write_csv("rejected.csv", ["line", "reason"], [(line, f"rejected: {reason}") for line, reason in rejected])


def row(order: dict) -> list:
    """An order as written.sql shows it."""
    note = order.get("note")
    at = datetime.fromisoformat(order["placed_at"].replace("Z", "+00:00")).astimezone(timezone.utc)
    lines = [(line["quantity"], line["sku"], Decimal(line["price"])) for line in order["lines"]]
    return [
        order["id"],
        order["customer"],
        at.strftime("%Y-%m-%d %H:%M:%S.") + f"{at.microsecond // 1000:03}",
        order["currency"],
        None if note is None else note[:40].replace("\n", "⏎"),
        None if note is None else len(note),
        f"{sum(quantity * price for quantity, _, price in lines):.2f}",
        "; ".join(f"{quantity} × {sku} at {price:.2f}" for quantity, sku, price in lines),
    ]


def write_csv(name: str, header: list, rows: list) -> None:
    """As PostgreSQL writes it: no text is "", and nothing is nothing."""

    def cell(value: object) -> str:
        text = "" if value is None else str(value)
        if value == "" or any(special in text for special in ',"\n\r'):
            return '"' + text.replace('"', '""') + '"'
        return text

    text = "".join(",".join(map(cell, row)) + "\n" for row in [header, *rows])
    (HERE / name).write_text(text, encoding="utf-8")


main()
