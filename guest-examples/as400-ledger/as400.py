"""Ledger files as an AS/400 writes them: EBCDIC, packed and zoned decimals.

What is in them, and what must become of it, is in `data.py`.
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

# The length of a record.
LENGTH = 120


@dataclass
class Entry:
    """A record that is sound."""

    account: int
    kind: str
    document: str
    posted: date
    due: date | None
    amount: Decimal
    tax: Decimal
    quantity: Decimal
    rate: Decimal
    currency: str
    narrative: str
    # The half byte that plus is written with.
    plus: int = 0xC
    minus_zero: bool = False


@dataclass
class Wrong:
    """One that is not: other bytes from a place on (counted from 1), and what must be said of it."""

    entry: Entry
    at: int
    bytes: bytes
    reason: str


@dataclass
class File:
    name: str
    ccsid: int
    company: str
    written: tuple[date, str]
    records: list = field(default_factory=list)


def packed(number: int, digits: int, plus: int = 0xC, minus_zero: bool = False) -> bytes:
    """COMP-3."""
    sign = 0xD if number < 0 or (number == 0 and minus_zero) else plus
    text = f"{abs(number):0{digits}d}{sign:X}"
    return bytes.fromhex(text if len(text) % 2 == 0 else "0" + text)


def zoned(number: int, digits: int, plus: int = 0xF) -> bytes:
    """A digit a byte, the sign over the last."""
    made = bytearray(0xF0 + int(digit) for digit in f"{abs(number):0{digits}d}")
    made[-1] = (0xD0 if number < 0 else plus << 4) + (made[-1] & 0xF)
    return bytes(made)


def units(number: Decimal, places: int) -> int:
    return int(number.scaleb(places))


def day(at: date | None) -> bytes:
    """CYYMMDD."""
    return packed(0 if at is None else (at.year - 1900) * 10_000 + at.month * 100 + at.day, 7)


def text(value: str, characters: int, codec: str) -> bytes:
    return value.ljust(characters).encode(codec)


def entry_bytes(entry: Entry, codec: str) -> bytes:
    return b"".join(
        [
            text("D", 1, codec),
            zoned(entry.account, 10),
            text(entry.kind, 1, codec),
            text(entry.document, 10, codec),
            day(entry.posted),
            day(entry.due),
            packed(units(entry.amount, 2), 13, entry.plus, entry.minus_zero),
            zoned(units(entry.tax, 2), 9, 0xC if entry.plus == 0xC else 0xF),
            packed(units(entry.quantity, 3), 10, entry.plus),
            packed(units(entry.rate, 6), 9, 0xF),
            text(entry.currency, 3, codec),
            text(entry.narrative, 60, codec),
        ]
    )


def record_bytes(record: Entry | Wrong, codec: str) -> bytes:
    if isinstance(record, Entry):
        return entry_bytes(record, codec)
    made = bytearray(entry_bytes(record.entry, codec))
    made[record.at - 1 : record.at - 1 + len(record.bytes)] = record.bytes
    return bytes(made)


def sound(record: Entry | Wrong) -> Entry:
    """As it was meant, and so as the trailer counts it."""
    return record if isinstance(record, Entry) else record.entry


def file_bytes(file: File, count: int = 0, amounts: Decimal = Decimal(0)) -> bytes:
    """All of it, with a trailer that is wrong by so much."""
    codec = f"cp{file.ccsid:03}"
    meant = [sound(record) for record in file.records]
    on, at = file.written
    header = b"".join(
        [
            text("H", 1, codec),
            text(file.company, 30, codec),
            text("S10F3A2B", 8, codec),
            day(on),
            zoned(int(at), 6),
            zoned(on.year * 100 + on.month, 6),
            text("", 65, codec),
        ]
    )
    trailer = b"".join(
        [
            text("T", 1, codec),
            packed(len(meant) + count, 7, 0xF),
            packed(units(sum(entry.amount for entry in meant) + amounts, 2), 17),
            packed(sum(entry.account for entry in meant) % 10**15, 15, 0xF),
            text("", 98, codec),
        ]
    )
    made = header + b"".join(record_bytes(record, codec) for record in file.records) + trailer
    assert len(made) == LENGTH * (len(meant) + 2)
    return made
