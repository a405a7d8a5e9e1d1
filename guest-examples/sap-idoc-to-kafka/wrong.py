"""What can be wrong with an IDoc: each changes a sound one, and says for what reason it must be a dead letter."""

from decimal import Decimal

from idocs import IDoc, Segment


def first(idoc: IDoc, name: str) -> tuple[Segment, str]:
    """The first segment of a kind, and its place as a reason has it."""
    number, found = 0, None

    def walk(segments: list) -> None:
        nonlocal number, found
        for segment in segments:
            number += 1
            if segment.name == name and found is None:
                found = (segment, f"segment {number:06} {name}")
            walk(segment.children)

    walk(idoc.segments)
    assert found, name
    return found


def in_field(kind: str, name: str, value: str, wanted: str):
    """Another value of a field."""

    def spoil(idoc: IDoc) -> None:
        segment, place = first(idoc, kind)
        segment.fields[name] = value
        idoc.reason = f'{place}: {name} is "{value}", not {wanted}'

    return spoil


def in_control(name: str, value: str, reason: str):
    def spoil(idoc: IDoc) -> None:
        idoc.control[name] = value
        idoc.reason = reason

    return spoil


def without(kind: str, reason: str):
    """All segments of a kind are missing."""

    def spoil(idoc: IDoc) -> None:
        idoc.segments = [segment for segment in idoc.segments if segment.name != kind]
        idoc.reason = reason

    return spoil


def no_buyer(idoc: IDoc) -> None:
    idoc.segments = [segment for segment in idoc.segments if segment.fields.get("PARVW") != "AG"]
    idoc.reason = "it has no partner AG (E1EDKA1) with a number (PARTN)"


def unnamed_buyer(idoc: IDoc) -> None:
    first(idoc, "E1EDKA1")[0].fields["PARTN"] = ""
    idoc.reason = "it has no partner AG (E1EDKA1) with a number (PARTN)"


def two_heads(idoc: IDoc) -> None:
    idoc.segments.insert(0, idoc.segments[0])
    idoc.reason = "it has 2 segments E1EDK01, not one"


def unknown(idoc: IDoc) -> None:
    idoc.segments.insert(2, Segment("Z1SHOP", {}))
    idoc.reason = 'segment 000003: ORDERS05 has no "Z1SHOP"'


def misplaced(idoc: IDoc) -> None:
    first(idoc, "E1EDKA1")[0].children.append(Segment("E1EDP19", {"QUALF": "001", "IDTNR": "C-1"}))
    idoc.reason = f"{first(idoc, 'E1EDP19')[1]}: it stands below E1EDKA1, and should below E1EDP01"


def wrong_sum(qualifier: str, sum: str, more: Decimal):
    def spoil(idoc: IDoc) -> None:
        for segment in idoc.segments:
            if segment.fields.get("SUMID") == qualifier:
                segment.fields["SUMME"] = sum
        come = Decimal(idoc.order["net"]) if qualifier == "002" else Decimal(len(idoc.order["items"]))
        idoc.reason = f"SUMME {qualifier} is {sum}, and the items come to {come.normalize():f}"

    return spoil


QUANTITY, AMOUNT = "a quantity such as 12.000", "an amount such as 119.40 or 119.40-"
BOTH = [
    no_buyer,
    unnamed_buyer,
    two_heads,
    unknown,
    misplaced,
    in_field("E1EDP01", "MENGE", "12,000", QUANTITY),
    in_field("E1EDP01", "MENGE", "", QUANTITY),
    in_field("E1EDP01", "MENGE", "5.000-", QUANTITY),
    in_field("E1EDP01", "MENEE", "", "a text"),
    in_field("E1EDP01", "VPREI", "1.234,56", AMOUNT),
    in_field("E1EDP01", "NETWR", "--", AMOUNT),
    in_field("E1EDP20", "WMENG", "zwölf", QUANTITY),
    in_field("E1EDP20", "EDATU", "20260230", "a date such as 20261103"),
    in_field("E1EDK03", "DATUM", "2026-11", "a date such as 20261103"),
    in_field("E1EDK01", "BELNR", "", "a text"),
    in_field("E1EDK01", "CURCY", "", "a text"),
    in_control("IDOCTYP", "DELVRY03", 'it is of the type "DELVRY03", not ORDERS05'),
    in_control("CREDAT", "20261131", 'CREDAT and CRETIM are "20261131" and'),
    without("E1EDP01", "it has no item (E1EDP01)"),
    wrong_sum("001", "77", Decimal(1)),
    wrong_sum("002", "0.01", Decimal(1)),
    in_control("SNDPRN", "", "its control record says no number (DOCNUM), or no sender (SNDPRN)"),
]


def in_records(reason: str, change: object):
    """Something that only flat records can have."""

    def spoil(idoc: IDoc) -> None:
        idoc.spoil = change
        idoc.reason = reason

    return spoil


def put_in(place: int, at: int, text: str):
    """Other characters in a record."""

    def change(lines: list) -> None:
        lines[place] = lines[place][:at] + text + lines[place][at + len(text) :]

    return change


def cut_to(place: int, length: int):
    def change(lines: list) -> None:
        lines[place] = lines[place][:length]

    return change


def longer(lines: list) -> None:
    lines[2] += "x"


RECORDS = [
    in_records("the record has 700 characters, not 1063", cut_to(4, 700)),
    in_records("the record has 1064 characters, not 1063", longer),
    in_records("the record has 300 characters, not 524", cut_to(0, 300)),
    in_records('its parent is "000099", which is no segment before it', put_in(3, 55, "000099")),
    in_records('its parent is "000005", which is no segment before it', put_in(3, 55, "000005")),
    in_records("segment 000003 E1EDK03: it stands below E1EDK01, and should below none", put_in(3, 55, "000001")),
    in_records("the number is that of an earlier one", put_in(3, 49, "000002")),
    in_records('it is of IDoc "0000000000000007"', put_in(3, 33, "0000000000000007")),
    in_records("it is not UTF-8", put_in(5, 100, "\udce4")),
]
CUT_IN_ITS_HEAD = in_records("the record has 40 characters, not 1063", cut_to(4, 40))
