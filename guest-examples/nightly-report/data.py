#!/usr/bin/env python3
"""Makes the sales of the example's test, and the mails that must come of them:

sales.sql       the sales, as statements
mails.json      the mails, with what is in them
chart.png       is not made here: it is what the component drew. It is looked at pixel by pixel

Run it again after a change of it: the same sales each time.
"""

import json
import struct
import zlib
from collections import defaultdict
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

HERE = Path(__file__).parent
ZONE = ZoneInfo("Europe/Berlin")
DAYS = 30
# The last day of summer time, with 25 hours; a leap day, on which more is taken back than sold; and a day of nothing.
LONG_DAY, LEAP_DAY, EMPTY_DAY = date(2025, 10, 26), date(2024, 2, 29), date(2025, 1, 15)
CUSTOMERS = [
    "Zoë Østergård",
    "O'Neill & Sons, Ltd.",
    'Renée "Née" Dupont',
    "李小龍",
    "Ольга Иванова",
    "محمد علي",
    "Nguyễn Thị Minh Khai",
    "🍕 Pizza Palazzo 👨‍👩‍👧‍👦",
    "<script>alert('sold')</script>",
    "Ame\u0301lie (decomposed)",
    "Robert'); drop table sales;--",
    "Long " + "and longer " * 30 + "Ltd.",
]
PRODUCTS = ["Anvil", "Rope <10 m>", "Käse & Brot", "クッキー", 'Pipe 1/2"', "Tea"]
PRICES = ["9.95", "0.10", "12.00", "120.50", "0.01", "1999.99", "33.30", "0.00", "7.05"]


class Dice:
    """Numbers that are the same everywhere: a linear congruential generator."""

    state = 42

    def below(self, end: int) -> int:
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % end

    def one_of(self, choices: list) -> object:
        return choices[self.below(len(choices))]


def sales() -> list[dict]:
    """All sales, those that are wrong too."""
    dice, made = Dice(), []

    def add(at: datetime, **given: object) -> None:
        sale = {
            "id": 1000 + len(made),
            "sold_at": at,
            "customer": dice.one_of(CUSTOMERS),
            "product": dice.one_of(PRODUCTS),
            "quantity": 1 + dice.below(12),
            "price": Decimal(dice.one_of(PRICES)),
        }
        made.append(sale | given)

    def local(day: date, hour: int, minute: int = 0, fold: int = 0) -> datetime:
        return datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZONE, fold=fold).astimezone(timezone.utc)

    for ago in range(40):
        for _ in range(0 if ago % 7 == 1 else 3 + dice.below(6)):
            add(local(LONG_DAY - timedelta(days=ago), dice.below(24), dice.below(60)))
    # At the edges of the day: the first and the last moment, the hour that comes twice, and what is of its neighbours.
    add(local(LONG_DAY, 0), customer="At its first moment", price=Decimal("1000.01"))
    add(local(LONG_DAY, 23, 59) + timedelta(seconds=59.999), customer="At its last moment", price=Decimal("1000.02"))
    add(local(LONG_DAY, 2, 30), customer="In the hour that comes twice", price=Decimal("1000.03"))
    add(local(LONG_DAY, 2, 30, fold=1), customer="In the hour that comes twice", price=Decimal("1000.04"))
    add(local(LONG_DAY, 0) - timedelta(microseconds=1), customer="Just before")
    add(local(LONG_DAY + timedelta(days=1), 0), customer="Just after")
    # Wrong ones: they are told, and the others are counted.
    add(local(LONG_DAY, 9), price=None, customer="<script>alert('sold')</script>")
    add(local(LONG_DAY, 9), quantity=None)
    add(local(LONG_DAY, 9), price=Decimal("-5.00"))
    add(local(LONG_DAY, 9), quantity=None, price=None)
    add(local(LONG_DAY - timedelta(days=3), 9), price=None)

    for ago in range(20):
        add(local(LEAP_DAY - timedelta(days=ago), 12), quantity=2, price=Decimal("100.00"))
    add(local(LEAP_DAY, 13), quantity=-7, price=Decimal("333.33"), product="Anvil", customer='Renée "Née" Dupont')
    return made


def problem(sale: dict) -> str | None:
    if sale["price"] is None:
        return "has no price"
    if sale["price"] < 0:
        return "has a negative price"
    if sale["quantity"] is None:
        return "has no quantity"
    return None


def sums(all_sales: list[dict]) -> dict[date, Decimal]:
    """What each day brought, in the zone."""
    found: dict[date, Decimal] = defaultdict(lambda: Decimal("0.00"))
    for sale in all_sales:
        if problem(sale) is None:
            found[sale["sold_at"].astimezone(ZONE).date()] += sale["quantity"] * sale["price"]
    return found


def mail(all_sales: list[dict], day: date, chart: str | None) -> dict:
    """The mail about a day."""
    of_day = [sale for sale in all_sales if sale["sold_at"].astimezone(ZONE).date() == day]
    sound = [sale for sale in of_day if problem(sale) is None]
    by_day = sums(all_sales)
    days = [day - timedelta(days=ago) for ago in range(DAYS)]
    total = sum((by_day.get(one, Decimal()) for one in days), Decimal("0.00"))
    best = max(days, key=lambda one: (by_day.get(one, Decimal()), -one.toordinal()))
    best_one = f"{long_day(best)} with {money(by_day[best])}" if by_day.get(best, 0) > 0 else "none"
    head = f"Sales of {long_day(day)}"
    text, html = [f"30 days: {money(total)}; the best one: {best_one}"], [f">{head}</h1>", 'src="cid:sales-chart"']
    html.append(f"30 days: {money(total)}; the best one: {best_one}</p>")
    if sound:
        text.append(f"{head}: {money(by_day[day])}\n")
        html.append(f">{money(by_day[day])}</p>")
    else:
        text.append(f"{head}: nothing was sold.\n")
        html.append(">Nothing was sold.</p>")
    for key, most, title in [("product", None, "Products"), ("customer", 10, "Customers")]:
        rows: dict[str, list] = defaultdict(lambda: [0, Decimal()])
        for sale in sound:
            rows[sale[key]][0] += sale["quantity"]
            rows[sale[key]][1] += sale["quantity"] * sale["price"]
        order = sorted(rows.items(), key=lambda row: (-row[1][1], row[0].encode()))[:most]
        if order:
            text.append(
                "\n".join([f"\n{title}", *(f"  {name}: {n}, {money(sum_)}" for name, (n, sum_) in order)]) + "\n"
            )
            html += [f">{escaped(name)}</td>" for name, _ in order]
            html += [f'>{n}</td><td style="{NUMBER}">{money(sum_)}</td>' for _, (n, sum_) in order]
    wrong = [sale for sale in of_day if problem(sale)]
    if wrong:
        told = (f"  {sale['id']} {problem(sale)}: {sale['product']}, {sale['customer']}" for sale in wrong)
        text.append("\n".join(["\nNot counted", *told]) + "\n")
        html.append(">Not counted</h2>")
    attachment = {"name": "sales.png", "content_id": "sales-chart"}
    return {
        "to": "boss@shop.example, sales@shop.example",
        "subject": f"Sales of {day}",
        "text_contains": text,
        "html_contains": html,
        "attachments": [attachment | ({"equals": chart} if chart else {})],
    }


NUMBER = "padding:4px 12px 4px 0;border-bottom:1px solid #e2e8f0;text-align:right;white-space:nowrap"


def long_day(day: date) -> str:
    return day.strftime("%a, %d %b %Y")


def money(amount: Decimal) -> str:
    return f"€ {amount:,.2f}"


def escaped(text: str) -> str:
    return "".join(f"&#{ord(letter)};" if letter in "&<>\"'" else letter for letter in text)


def check_chart(values: list[Decimal]) -> None:
    """Reads the picture by the PNG specification, and measures its bars."""
    data = (HERE / "chart.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed = 8, b""
    while at < len(data):
        (length,), kind = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + length]
        assert zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0]
        if kind == b"IHDR":
            width, height, depth, colour, *_ = struct.unpack(">IIBBBBB", body)
            assert (depth, colour) == (8, 3), "not a palette"
        packed += body if kind == b"IDAT" else b""
        at += 12 + length
    raw = zlib.decompress(packed)
    assert not any(raw[:: width + 1]), "a line has a filter"
    rows = [raw[y * (width + 1) + 1 : (y + 1) * (width + 1)] for y in range(height)]
    most, least = max(0, *values), min(0, *values)
    per_pixel = (most - least) / (height - 8)
    for index, value in enumerate(values):
        x = int((index + 0.5) * width / len(values))
        # 0 is paper, 1 the line at zero.
        coloured = sum(row[x] > 1 for row in rows)
        assert abs(coloured - abs(value) / per_pixel) <= 2, f"bar {index} has {coloured} pixels for {value}"


def main() -> None:
    """Writes the files, and looks at the picture."""
    all_sales = sales()

    def sql(value: object) -> str:
        if value is None:
            return "null"
        return str(value) if isinstance(value, (int, Decimal)) else "'" + str(value).replace("'", "''") + "'"

    rows = ",\n".join("(" + ", ".join(map(sql, sale.values())) + ")" for sale in all_sales)
    write("sales.sql", f"insert into sales (id, sold_at, customer, product, quantity, price) values\n{rows};\n")
    mails = [
        mail(all_sales, LONG_DAY, "chart.png"),
        mail(all_sales, LEAP_DAY, None),
        mail(all_sales, EMPTY_DAY, None),
    ]
    write("mails.json", "[\n" + ",\n".join(json.dumps(mail, ensure_ascii=False) for mail in mails) + "\n]\n")
    by_day = sums(all_sales)
    check_chart([by_day.get(LONG_DAY - timedelta(days=ago), Decimal()) for ago in reversed(range(DAYS))])


def write(name: str, text: str) -> None:
    (HERE / name).write_text(text, encoding="utf-8")


main()
