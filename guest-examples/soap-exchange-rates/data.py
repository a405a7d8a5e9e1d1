#!/usr/bin/env python3
"""Makes what the two banks of the example's test know, and what must become of it:

rates.tsv       what the banks answer from: bank, currency, day, kind, units, rate, published_at, note
expected.csv    the table rates afterwards, as written.sql shows it
refused.csv     the tables of what was refused, as refused.sql shows them

Run it again after a change of it: the same each time.
"""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

HERE = Path(__file__).parent

# So many euros, about, for so many units of each currency.
CURRENCIES = {
    "USD": (1, "0.92570"),
    "GBP": (1, "1.17125"),
    "CHF": (1, "1.03900"),
    "JPY": (100, "0.5687"),
    "SEK": (1, "0.0871200"),
    "PLN": (1, "0.23"),
    "HUF": (100, "0.24610"),
    "ISK": (1, "0.0067"),
    "KRW": (1000, "0.6203"),
    "IDR": (1, "0.0000541234567890123456789"),
    "VES": (1, "0.00000000000012"),
    "KWD": (1, "3.0115"),
}
NOTES = [
    "",
    "",
    "",
    "thin trade",
    "corrected & <confirmed>",
    "« Toussaint » – l'Europe",
    "he said \"higher\"; 'they' said -- lower",
    "文化の日",
    "День народного единства",
    "عطلة رسمية",
    "🏦 closed 👨‍👩‍👧",
    "Cafe\u0301 (decomposed)",
    "  spaces within and around  ",
    "]]> is no end, &amp; is no and",
    "as agreed; " * 400,
]


class Dice:
    """Numbers that are the same everywhere: a linear congruential generator."""

    state = 7

    def below(self, end: int) -> int:
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % end

    def one_of(self, choices: list) -> object:
        return choices[self.below(len(choices))]


class Quote:
    """A quote as the bank gives it."""

    def __init__(self, bank: str, currency: str, day: date, units: int, rate: str, published: datetime) -> None:
        self.bank, self.currency, self.day = bank, currency, day
        self.kind = "FIXING" if bank == "central" else "INDICATIVE"
        self.units, self.rate, self.published, self.note = units, rate, published, ""
        self.zone = "Z"

    def wrong(self) -> str | None:
        """Why it must be refused, if it must."""
        if self.units <= 0:
            return f"`units` is {self.units}, not positive"
        if self.kind == "HOLIDAY":
            return f"`rate` is {self.rate} on a holiday" if self.rate else None
        if not self.rate:
            return f"`rate` is nil, and the day is no holiday but {self.kind}"
        return f"`rate` is {self.rate}, not positive" if Decimal(self.rate) <= 0 else None

    def line(self) -> str:
        """As a line of rates.tsv."""
        at = self.published.astimezone(timezone(offset(self.zone))).isoformat(timespec="milliseconds")
        day = f"{self.day}{self.zone}"
        return "\t".join([self.bank, self.currency, day, self.kind, str(self.units), self.rate, at, self.note])

    def again(self, hours: int, **changed: object) -> "Quote":
        """The same day's, some hours later, with something else."""
        other = Quote(
            self.bank, self.currency, self.day, self.units, self.rate, self.published + timedelta(hours=hours)
        )
        other.zone = self.zone
        vars(other).update(changed)
        return other


def offset(zone: str) -> timedelta:
    """`+05:30` as a duration."""
    if zone in ("", "Z"):
        return timedelta(0)
    hours, minutes = zone[1:].split(":")
    return (1 if zone[0] == "+" else -1) * timedelta(hours=int(hours), minutes=int(minutes))


def days() -> list[date]:
    """Around a leap day, and four weeks around the end of summer time."""
    weeks = [date(2026, 10, 12) + timedelta(days=number) for number in range(28)]
    return [date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1), *(day for day in weeks if day.weekday() < 5)]


def moved(dice: Dice, rate: str) -> str:
    """A rate that is a little another, with as many digits."""
    step = Decimal(1).scaleb(Decimal(rate).as_tuple().exponent)
    return format(Decimal(rate) + step * dice.below(9), "f")


def quotes_of(dice: Dice, bank: str, currency: str) -> list[Quote]:
    """What a bank said of a currency, most of it sound."""
    units, rate = CURRENCIES[currency]
    made = []
    for day in days():
        published = datetime(day.year, day.month, day.day, 14, 15, dice.below(60), 1000 * dice.below(1000), UTC)
        quote = Quote(bank, currency, day, units, moved(dice, rate), published)
        quote.note = dice.one_of(NOTES[:-1])
        if bank == "central":
            quote.zone = "+02:00" if date(2026, 10, 1) < day < date(2026, 10, 25) else "+01:00"
        else:
            quote.zone = dice.one_of(["Z", "", "+05:30", "-11:00", "+14:00"])
        if dice.below(12) == 0:
            quote.kind, quote.rate = "HOLIDAY", ""
        made.append(quote)
        if dice.below(10) == 0:
            made.append(quote.again(3, kind="FIXING", rate=moved(dice, rate), note="corrected"))
    return made


def odd_ones(known: dict[tuple[str, str], list[Quote]]) -> list[Quote]:
    """Quotes that are wrong, and corrections that are or that make good what was wrong."""
    usd, jpy, huf = known["central", "USD"], known["commercial", "JPY"], known["central", "HUF"]
    usd[4].note = NOTES[-1]
    usd[5].kind, usd[5].rate = "FIXING", "12345678901234567890.1234567890"
    wrong = [
        usd[6].again(48, kind="FIXING", rate="-0.92570"),  # a right one became a wrong one: that stays
        jpy[7].again(48, kind="INDICATIVE", rate="0.0000"),
        jpy[8].again(48, kind="INDICATIVE", rate=""),
        jpy[9].again(48, kind="HOLIDAY", rate="0.5700"),
        huf[10].again(48, kind="FIXING", rate="0.24610", units=0),
        huf[11].again(48, kind="FIXING", rate="0.24610", units=-100),
    ]
    # A day that has nothing but a wrong one, and one whose wrong one was made good.
    monday = {"day": date(2026, 11, 9), "published": datetime(2026, 11, 9, 14, tzinfo=UTC), "rate": "-1.0"}
    alone, good = huf[0].again(0, kind="FIXING", **monday), jpy[0].again(0, **monday)
    return [*wrong, alone, good, good.again(2, rate="0.5691", note="sign corrected")]


def main() -> None:
    """Writes the three files."""
    dice = Dice()
    known = {
        (bank, currency): quotes_of(dice, bank, currency)
        for bank in ["central", "commercial"]
        for currency in CURRENCIES
        # The commercial bank does not quote this one.
        if (bank, currency) != ("commercial", "ISK")
    }
    quotes = [quote for some in known.values() for quote in some]
    quotes += odd_ones(known)
    withdrawn = [
        "central\tHRK\t2022-12-31+01:00\tWITHDRAWN\t1\t\t\tEUR",
        "central\tZWL\t2024-04-08\tWITHDRAWN\t1\t\t\t",
    ]
    header = "bank\tcurrency\tday\tkind\tunits\trate\tpublished_at\tnote"
    lines = [quote.line() for quote in sorted(quotes, key=lambda _: dice.below(1000))]
    (HERE / "rates.tsv").write_text("".join(f"{line}\n" for line in [header, *withdrawn, *lines]), encoding="utf-8")

    right, last = {}, {}
    for quote in sorted(quotes, key=lambda quote: quote.published):
        key = quote.bank, quote.currency, quote.day
        last[key] = quote
        if quote.wrong() is None:
            right[key] = quote
    header = ["bank", "currency", "day", "kind", "units", "rate", "published_at", "note"]
    write_csv("expected.csv", header, [row(quote) for _, quote in sorted(right.items())])

    unknown = "this bank does not quote {}"
    gone = "{} is no currency any more"
    currencies = [
        ["central", "HRK", "WITHDRAWN", "2022-12-31", "EUR", gone.format("HRK")],
        ["central", "XTS", "UNKNOWN_CURRENCY", None, None, unknown.format("XTS")],
        ["central", "ZWL", "WITHDRAWN", "2024-04-08", None, gone.format("ZWL")],
        *(
            ["commercial", currency, "UNKNOWN_CURRENCY", None, None, unknown.format(currency)]
            for currency in ["HRK", "ISK", "XTS", "ZWL"]
        ),
    ]
    wrong = [
        [quote.bank, quote.currency, "quote", quote.day, None, quote.wrong()]
        for _, quote in sorted(last.items())
        if quote.wrong() is not None
    ]
    header = ["bank", "currency", "what", "day", "successor", "reason"]
    write_csv("refused.csv", header, sorted([*currencies, *wrong], key=lambda row: [str(cell) for cell in row]))


def row(quote: Quote) -> list:
    """A quote as written.sql shows it."""
    at = quote.published.strftime("%Y-%m-%d %H:%M:%S.") + f"{quote.published.microsecond // 1000:03}"
    note = quote.note[:40] or None
    return [quote.bank, quote.currency, quote.day, quote.kind, quote.units, quote.rate or None, at, note]


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
