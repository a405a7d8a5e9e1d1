#!/usr/bin/env python3
"""Makes the files that the example's test puts into the folder, and what must become of them:

data/                    the files, as FTP leaves them: records of 120 bytes and nothing between them
expected.csv             what the tables of files and entries hold afterwards, as written.sql shows them
rejected.csv             what the table of rejects holds, as rejects.sql shows it
dead.csv                 the files that are dead letters, and their reasons
rust/src/code_pages.rs   the code pages, as Python knows them
rust/tests/              small files for `jackfield test`

Run it again after a change of it: the same files each time.
"""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from as400 import LENGTH, Entry, File, Wrong, file_bytes, packed, record_bytes, sound
from fixtures import write_fixtures

HERE = Path(__file__).parent
KINDS = {"A": "asset", "L": "liability", "E": "equity", "R": "revenue", "X": "expense"}
CURRENCIES = ["EUR", "USD", "GBP", "CHF", "SEK"]
# All of it is in every one of the code pages, each at places of its own.
NARRATIVES = [
    "Rent November",
    "",
    "Zoë Østergård, Århus",
    'O\'Neill & Sons, Ltd. "C/O"',
    "Müller & Söhne GmbH, Straße 7",
    "¿Qué pasó? ½ de 12,50 £",
    "{[|]} ~^\\ @#$ `!",
    "'; drop table ledger_entries; --",
    "  blanks before it",
    "ÀÉÎÕÜ àéîõü ÆÐÞ æðþ",
    "x" * 60,
    "¢¬¦§µ¶·¸¹º»",
    "null",
]
# The largest that AMOUNT holds.
MOST = Decimal("99999999999.99")


class Dice:
    """Numbers that are the same everywhere: a linear congruential generator."""

    state = 400

    def below(self, end: int) -> int:
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % end

    def one_of(self, choices: list) -> object:
        return choices[self.below(len(choices))]


# ── what is in it ────────────────────────────────────────────────────────────────────────────────────


def entry(dice: Dice, number: int, begin: date) -> Entry:
    amount = Decimal(dice.below(20_000_000) - 8_000_000).scaleb(-2)
    made = Entry(
        account=4_000_000_000 + dice.below(5_999_999_999),
        kind=dice.one_of(list(KINDS)),
        document=f"RE{number:08}",
        posted=begin + timedelta(days=dice.below(28)),
        due=dice.one_of([None, begin + timedelta(days=60 + dice.below(30))]),
        amount=amount,
        tax=(amount * Decimal("0.19")).quantize(Decimal("0.01")),
        quantity=Decimal(dice.below(9_000_000) - 1_000_000).scaleb(-3),
        rate=Decimal(dice.below(2_000_000)).scaleb(-6),
        currency=dice.one_of(CURRENCIES),
        narrative=dice.one_of(NARRATIVES),
        plus=dice.one_of([0xC, 0xF]),
    )
    match number % 40:
        case 3:
            made = replace(
                made, amount=Decimal("0.00"), tax=Decimal("0.00"), quantity=Decimal("0.000"), minus_zero=True
            )
        case 7:
            made = replace(made, amount=MOST, tax=Decimal("9999999.99"), quantity=Decimal("9999999.999"))
        case 11:
            made = replace(made, amount=-MOST, tax=Decimal("-9999999.99"), quantity=Decimal("-9999999.999"))
        case 15:
            made = replace(made, posted=date(2024, 2, 29), due=date(2000, 2, 29))
        case 19:
            made = replace(made, posted=date(1999, 12, 31), due=date(2000, 1, 1))
        case 23:
            made = replace(made, account=1, amount=Decimal("0.01"), rate=Decimal("999.999999"))
        case 27:
            made = replace(made, posted=date(1900, 1, 1), due=date(2099, 12, 31), amount=Decimal("-0.01"))
    return made


def wrong_ones(dice: Dice, codec: str, begin: date) -> list[Wrong]:
    """What can be wrong with a record but for its amount and its account, which the trailer adds up."""

    def at(place: int, name: str, data: bytes, what: str) -> Wrong:
        return Wrong(entry(dice, 1, begin), place, data, f"{name} is X'{data.hex().upper()}': {what}")

    def letters(place: int, data: str, reason: str) -> Wrong:
        return Wrong(entry(dice, 1, begin), place, data.encode(codec), reason)

    return [
        at(23, "POSTED-ON", packed(1260230, 7), "there is no 2026-02-30"),
        at(23, "POSTED-ON", packed(229, 7), "there is no 1900-02-29"),
        at(23, "POSTED-ON", packed(1261301, 7), "there is no 2026-13-01"),
        at(23, "POSTED-ON", packed(0, 7), "it is zero, where a date must be"),
        at(23, "POSTED-ON", packed(-1261103, 7), "it is negative"),
        at(27, "DUE-ON", packed(2000101, 7), "2000101 begins neither with 0 nor with 1"),
        # A number that nobody set: blanks.
        at(27, "DUE-ON", bytes([0x40] * 4), "0 is no sign"),
        at(47, "QUANTITY", bytes.fromhex("00000012345B"), "B is no sign"),
        at(47, "QUANTITY", bytes.fromhex("0000001A345C"), "byte 4 is no two digits"),
        at(47, "QUANTITY", bytes.fromhex("90000000000C"), "it has more than 10 digits"),
        at(53, "RATE", packed(-1_500_000, 9), "it is negative"),
        at(38, "TAX", bytes([0x40] * 9), "byte 1 is no digit"),
        at(38, "TAX", bytes.fromhex("F0F0F0F0C0F0F0F0F0"), "byte 5 is no digit"),
        at(38, "TAX", bytes.fromhex("F0F0F0F0F0F0F0F0FA"), "byte 9 is no digit"),
        letters(1, "Q", 'the record is of kind "Q", not "D"'),
        letters(12, "Q", 'ACCOUNT-KIND is "Q", which is none of A, L, E, R and X'),
        letters(12, " ", 'ACCOUNT-KIND is "", which is none of A, L, E, R and X'),
        letters(58, "eur", 'CURRENCY is "eur", not three capital letters'),
        letters(58, "EU ", 'CURRENCY is "EU", not three capital letters'),
    ]


def control(dice: Dice, codec: str, begin: date) -> Wrong:
    """A byte that no table takes, in the midst of a narrative."""
    made = entry(dice, 1, begin)
    data = ("Rent" + " " * 56).encode(codec)
    data = data[:4] + b"\0" + data[5:]
    return Wrong(made, 61, data, f"NARRATIVE is X'{data.hex().upper()}': it has the control character 00")


def unread(dice: Dice, begin: date) -> list[Wrong]:
    """Amount and account cannot be read: the trailer's totals cannot be held against them."""
    amount = bytes.fromhex("0000000012A45C")
    account = bytes.fromhex("F1F2F3C1C2C3F4F5F6F7")
    return [
        Wrong(entry(dice, 2, begin), 31, amount, f"AMOUNT is X'{amount.hex().upper()}': byte 6 is no two digits"),
        Wrong(entry(dice, 2, begin), 2, account, f"ACCOUNT is X'{account.hex().upper()}': byte 4 is no digit"),
    ]


def file(dice: Dice, name: str, ccsid: int, company: str, on: date, records: int) -> File:
    begin = on.replace(day=1) - timedelta(days=31)
    made = File(name, ccsid, company, (on, f"{dice.below(24):02}{dice.below(60):02}59"))
    made.records = [entry(dice, number, begin) for number in range(1, records + 1)]
    return made


def spread(file: File, wrong: list[Wrong]) -> None:
    """Puts wrong records between the others, the first of them before all and the last behind."""
    step = len(file.records) // (len(wrong) - 1) + 1
    for number, record in enumerate(wrong):
        file.records.insert(number * step, record)


# ── what must come of it ─────────────────────────────────────────────────────────────────────────────


def rows(file: File) -> tuple[list, list]:
    """The file's lines of expected.csv and of rejected.csv."""
    codec = f"cp{file.ccsid:03}"
    on, at = file.written
    meant = [sound(record) for record in file.records]
    lost = sum((r.entry.amount for r in file.records if isinstance(r, Wrong) and r.at == 31), Decimal("0.00"))
    head = [
        file.name,
        file.company,
        f"{on} {at[:2]}:{at[2:4]}:{at[4:]}",
        on.strftime("%Y%m"),
        len(meant),
        f"{sum(entry.amount for entry in meant):.2f}",
        f"{lost:.2f}",
        "t",
    ]
    entries, rejects = [], []
    for number, record in enumerate(file.records, 1):
        if isinstance(record, Wrong):
            rejects.append([file.name, number, record.reason, record_bytes(record, codec).hex().upper()])
            continue
        entries.append(
            head
            + [
                number,
                f"{record.account:010}",
                KINDS[record.kind],
                record.document,
                record.posted,
                record.due,
                f"{record.amount:.2f}",
                f"{record.tax:.2f}",
                f"{record.quantity:.3f}",
                f"{record.rate:.6f}",
                record.currency,
                record.narrative,
            ]
        )
    return entries, rejects


def write_csv(name: str, header: list, lines: list) -> None:
    """As PostgreSQL writes it: no text is "", and nothing is nothing."""

    def cell(value: object) -> str:
        text = "" if value is None else str(value)
        if value == "" or any(special in text for special in ',"\n\r'):
            return '"' + text.replace('"', '""') + '"'
        return text

    text = "".join(",".join(map(cell, line)) + "\n" for line in [header, *lines])
    (HERE / name).write_text(text, encoding="utf-8")


def write_code_pages() -> None:
    """The code pages as the handler has them."""

    def literal(character: str) -> str:
        if character in "'\\":
            return f"'\\{character}'"
        return f"'{character}'" if character.isprintable() else f"'\\u{{{ord(character):x}}}'"

    made = [
        "//! EBCDIC: the character of each byte, by code page. Made by `data.py` of what Python knows of them.",
        "",
        "/// A code page, by IBM's number for it.",
        "pub struct CodePage {",
        "    pub ccsid: u16,",
        "    characters: [char; 256],",
        "}",
        "",
        "impl CodePage {",
        "    /// The character that a byte stands for.",
        "    pub fn character(&self, byte: u8) -> char {",
        "        self.characters[usize::from(byte)]",
        "    }",
        "}",
        "",
        "/// USA; Germany and Austria; Belgium, Switzerland and others; USA with the euro.",
        "#[rustfmt::skip]",
        "pub static ALL: [CodePage; 4] = [",
    ]
    for ccsid in (37, 273, 500, 1140):
        characters = bytes(range(256)).decode(f"cp{ccsid:03}")
        made.append(f"    CodePage {{ ccsid: {ccsid}, characters: [")
        made += ["        " + ", ".join(map(literal, characters[i : i + 16])) + "," for i in range(0, 256, 16)]
        made.append("    ] },")
    made.append("];")
    (HERE / "rust/src/code_pages.rs").write_text("\n".join(made) + "\n", encoding="utf-8")


def put(name: str, data: bytes) -> None:
    path = HERE / "data" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def main() -> None:
    """Writes everything."""
    dice = Dice()
    usa = file(dice, "LEDGER.D261102", 37, "ACME Holdings & Co.", date(2026, 11, 2), 190)
    begin = date(2026, 10, 1)
    spread(usa, wrong_ones(dice, "cp037", begin))
    euro = file(dice, "euro/LEDGER.D261103", 1140, "Café Crème SA", date(2026, 11, 3), 60)
    for number, record in enumerate(euro.records):
        euro.records[number] = replace(record, narrative=f"€ {number}.-") if number % 3 == 0 else record
    spread(euro, unread(dice, begin))
    germany = file(dice, "de/LEDGER.D261103", 273, "Müller & Söhne GmbH", date(2026, 11, 3), 170)
    spread(germany, wrong_ones(dice, "cp273", begin)[14:] + [control(dice, "cp273", begin)])
    belgium = file(dice, "be/LEDGER.D261103", 500, "Émile [Frères] S.A.", date(2026, 11, 3), 120)
    files = [usa, euro, germany, belgium]
    for made in files:
        put(made.name, file_bytes(made))

    # Whole files that are wrong.
    small = file(dice, "LEDGER.D261104", 37, "ACME Holdings & Co.", date(2026, 11, 4), 12)
    total = sum(entry.amount for entry in small.records)
    whole = file_bytes(small)
    put("wrong/LEDGER.D261104", file_bytes(small, count=1))
    put("wrong/LEDGER.D261105", file_bytes(small, amounts=Decimal("0.01")))
    put("wrong/LEDGER.D261106", whole[:-60])
    put("wrong/LEDGER.D261107", whole[:-LENGTH])
    put("wrong/LEDGER.D261108", whole[:LENGTH] + whole[2 * LENGTH :])
    dead = [
        ["LEDGER.D261104", "LEDGER.D261104: the trailer has entries 13, the file 12"],
        [
            "LEDGER.D261105",
            f"LEDGER.D261105: the trailer has amounts {total + Decimal('0.01'):.2f}, the file {total:.2f}",
        ],
        ["LEDGER.D261106", "LEDGER.D261106: 1620 bytes are not whole records of 120"],
        ["LEDGER.D261107", 'LEDGER.D261107: the last record is of kind "D", not "T"'],
        ["LEDGER.D261108", "LEDGER.D261108: the trailer has entries 12, the file 11"],
    ]

    entries, rejects = zip(*(rows(made) for made in sorted(files, key=lambda made: made.name)), strict=True)
    header = (
        "name company written_at period entries amounts unread complete record account account_kind document posted_on"
    )
    header += " due_on amount tax quantity rate currency narrative"
    write_csv("expected.csv", header.split(), sum(entries, []))
    write_csv("rejected.csv", ["name", "record", "reason", "bytes"], sum(rejects, []))
    write_csv("dead.csv", ["subject", "reason"], dead)
    write_code_pages()
    write_fixtures()


main()
