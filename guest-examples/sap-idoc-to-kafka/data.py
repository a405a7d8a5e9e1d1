#!/usr/bin/env python3
"""Makes the IDocs that the example's test puts into the folder, and what must become of them:

data/            files of IDocs, flat and XML, in several code pages
expected.jsonl   what the topic holds afterwards, an order a line
dead.csv         the IDocs, and the files, that are dead letters, and their reasons
go/tests/        small ones for `jackfield test`

Run it again after a change of it: the same IDocs each time.
"""

import json
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from xml.sax.saxutils import escape

HERE = Path(__file__).parent
BEGIN = datetime(2026, 11, 3, 6, 0, 9)

# What every code page here has, and what only UTF-8 has.
NAMES = ["Müller & Söhne GmbH", "Zoë Østergård", "O'Neill & Sons, \"C/O\" Ltd.", "Café <Crème> SA", "¿Qué tal? S.L.", "A" * 35]
MORE_NAMES = [*NAMES, "株式会社クッキー", "Ольга Иванова", "محمد علي", "🍕 Pizza Palazzo", "Ame\u0301lie (decomposed)"]
TEXTS = [
    ("DE", "Bitte zweimal klingeln.\nGrüße!"),
    ("EN", "Please ring twice; then wait. " * 9 + "Thank you"),
    ("FR", "  deux espaces d'abord, « guillemets »"),
    ("ES", "x" * 200),
]
MORE_TEXTS = [*TEXTS, ("JA", "二回鳴らしてください。\n\nありがとう 🙏"), ("AR", "مرحبا"), ("EL", "Καλημέρα " * 20 + "ω")]
UNITS = ["PCE", "KGM", "MTR", "C62"]
# The versions of the segments' definitions, as the file port writes them.
VERSIONS = {
    "E1EDK01": "005", "E1EDKA1": "003", "E1EDKT1": "002", "E1EDKT2": "001", "E1EDP01": "007", "E1EDP05": "002",
    "E1EDP19": "001", "E1EDPT1": "001", "E1EDPT2": "001",
}

# ── the layouts, field by field ──────────────────────────────────────────────────────────────────────

CONTROL = """TABNAM 10 MANDT 3 DOCNUM 16 DOCREL 4 STATUS 2 DIRECT 1 OUTMOD 1 EXPRSS 1 TEST 1 IDOCTYP 30 CIMTYP 30 MESTYP 30
MESCOD 3 MESFCT 3 STD 1 STDVRS 6 STDMES 6 SNDPOR 10 SNDPRT 2 SNDPFC 2 SNDPRN 10 SNDSAD 21 SNDLAD 70 RCVPOR 10 RCVPRT 2
RCVPFC 2 RCVPRN 10 RCVSAD 21 RCVLAD 70 CREDAT 8 CRETIM 6 REFINT 14 REFGRP 14 REFMES 14 ARCKEY 70 SERIAL 20"""
LAYOUTS = {
    "E1EDK01": """ACTION 3 KZABS 1 CURCY 3 HWAER 3 WKURS 12 ZTERM 17 KUNDEUINR 20 EIGENUINR 20 BSART 4 BELNR 35 NTGEW 18
        BRGEW 18 GEWEI 3 FKART_RL 4 ABLAD 25 BSTZD 4 VSART 2 VSART_BEZ 20 RECIPNT_NO 10""",
    "E1EDK14": "QUALF 3 ORGID 35",
    "E1EDK03": "IDDAT 3 DATUM 8 UZEIT 6",
    "E1EDK17": "QUALF 3 LKOND 3 LKTEXT 70",
    "E1EDKA1": """PARVW 3 PARTN 17 LIFNR 17 NAME1 35 NAME2 35 NAME3 35 NAME4 35 STRAS 35 STRS2 35 PFACH 35 ORT01 35 COUNC 9
        PSTLZ 9 PSTL2 9 LAND1 3""",
    "E1EDK02": "QUALF 3 BELNR 35 POSNR 6 DATUM 8 UZEIT 6",
    "E1EDKT1": "TDID 4 TSSPRAS 3 TSSPRAS_ISO 2 TDOBJECT 10 TDOBNAME 70",
    "E1EDKT2": "TDLINE 70 TDFORMAT 2",
    "E1EDP01": """POSEX 6 ACTION 3 PSTYP 1 KZABS 1 MENGE 15 MENEE 3 BMNG2 15 PMENE 3 ABFTZ 7 VPREI 15 PEINH 9 NETWR 18
        ANETW 18 SKFBP 18 NTGEW 18 GEWEI 3""",
    "E1EDP05": "ALCKZ 3 KSCHL 4 KOTXT 80 BETRG 18",
    "E1EDP20": "WMENG 15 AMENG 15 EDATU 8 EZEIT 6 EDATU_OLD 8 EZEIT_OLD 6 ACTION 3",
    "E1EDP19": "QUALF 3 IDTNR 35 KTEXT 70 MFRPN 42 MFRNR 10",
    "E1EDPT1": "TDID 4 TSSPRAS 3 TSSPRAS_ISO 2",
    "E1EDPT2": "TDLINE 70 TDFORMAT 2",
    "E1EDS01": "SUMID 3 SUMME 18 SUNIT 3 WAERQ 3",
}


def laid_out(layout: str, values: dict) -> str:
    """The fields one behind the other."""
    words = layout.split()
    lengths = dict(zip(words[::2], map(int, words[1::2])))
    assert not values.keys() - lengths.keys(), values.keys() - lengths.keys()
    for name, value in values.items():
        assert len(value) <= lengths[name], (name, value)
    return "".join(values.get(name, "").ljust(length) for name, length in lengths.items())


class Dice:
    """Numbers that are the same everywhere: a linear congruential generator."""

    state = 524

    def below(self, end: int) -> int:
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % end

    def one_of(self, choices: list) -> object:
        return choices[self.below(len(choices))]


@dataclass
class Segment:
    name: str
    fields: dict
    children: list = field(default_factory=list)


@dataclass
class IDoc:
    control: dict
    segments: list
    # The order that must be published; none if the IDoc is wrong, for this reason.
    order: dict | None
    reason: str = ""
    # What somebody does to the flat records, or to the text of the XML, before it is sent.
    spoil: object = None

    @property
    def docnum(self) -> str:
        return self.control["DOCNUM"]


# ── the two forms ────────────────────────────────────────────────────────────────────────────────────


def flat(idoc: IDoc) -> list[str]:
    """Its records, as the file port writes them."""
    lines = [laid_out(CONTROL, idoc.control)]
    assert len(lines[0]) == 524

    def write(segments: list, parent: int, level: int) -> None:
        for segment in segments:
            number = len(lines)
            name = segment.name.replace("E1", "E2", 1) + VERSIONS.get(segment.name, "")
            data = laid_out(LAYOUTS[segment.name], segment.fields) if segment.name in LAYOUTS else ""
            head = f"{name:30}{idoc.control['MANDT']}{idoc.docnum}{number:06}{parent:06}{level:02}"
            lines.append((head + data).ljust(1063))
            assert len(lines[-1]) == 1063
            write(segment.children, number, level + 1)

    write(idoc.segments, 0, 1)
    if idoc.spoil:
        idoc.spoil(lines)
    return lines


def structured(idoc: IDoc, indented: bool) -> str:
    """Its element of IDoc XML."""
    parts = []

    def element(name: str, fields: dict, children: list, depth: int) -> None:
        indent = "\n" + "  " * depth if indented else ""
        parts.append(f'{indent}<{name} SEGMENT="1">')
        for key, value in fields.items():
            if value:
                parts.append(f"{indent + '  ' if indented else ''}<{key}>{escape(value)}</{key}>")
        for child in children:
            element(child.name, child.fields, child.children, depth + 1)
        parts.append(f"{indent}</{name}>")

    element("EDI_DC40", idoc.control, [], 2)
    for segment in idoc.segments:
        element(segment.name, segment.fields, segment.children, 2)
    body = "".join(parts)
    if idoc.spoil:
        body = idoc.spoil(body)
    line = "\n  " if indented else ""
    return f'{line}<IDOC BEGIN="1">{body}{line}</IDOC>'


# ── orders ───────────────────────────────────────────────────────────────────────────────────────────


def signed(amount: str) -> str:
    """SAP's minus stands behind."""
    return amount[1:] + "-" if amount.startswith("-") else amount


def day(date: datetime | None, dice: Dice) -> str:
    return date.strftime("%Y%m%d") if date else dice.one_of(["00000000", ""])


def iso(date: datetime | None) -> str | None:
    return date.strftime("%Y-%m-%d") if date else None


def text_segments(kind: str, texts: list[tuple[str, str, str]]) -> list[Segment]:
    """Texts in lines of 70 characters: `*` begins a line, a blank goes on in another word, `=` within it."""
    made = []
    for name, language, text in texts:
        lines = []
        for paragraph in text.split("\n"):
            form = "*"
            while len(paragraph) > 70:
                place = paragraph.rfind(" ", 0, 71)
                if place > 0 and paragraph[place - 1] != " ":
                    lines.append((form, paragraph[:place]))
                    form, paragraph = "", paragraph[place + 1 :]
                else:
                    lines.append((form, paragraph[:70]))
                    form, paragraph = "=", paragraph[70:]
            lines.append((form, paragraph))
        children = [Segment(kind + "2", {"TDLINE": line, "TDFORMAT": form}) for form, line in lines]
        fields = {"TDID": name, "TSSPRAS": language[0], "TSSPRAS_ISO": language}
        if kind == "E1EDKT":
            fields |= {"TDOBJECT": "VBBK", "TDOBNAME": "0000004711"}
        made.append(Segment(kind + "1", fields, children))
    return made


def idoc(dice: Dice, number: int, sender: str, names: list, texts: list) -> IDoc:
    """A sound one."""
    created = BEGIN + timedelta(minutes=number)
    order_number = f"45{number:08}"
    customer = f"{1000 + dice.below(40):010}"
    currency = dice.one_of(["EUR", "USD", "GBP", "JPY"])
    control = {
        "TABNAM": "EDI_DC40", "MANDT": sender[-3:], "DOCNUM": f"{420000 + number:016}", "DOCREL": "758", "STATUS": "30",
        "DIRECT": "1", "OUTMOD": "2", "IDOCTYP": "ORDERS05", "MESTYP": "ORDERS", "SNDPOR": "SAP" + sender[:3],
        "SNDPRT": "LS", "SNDPRN": sender, "RCVPOR": "JACKFIELD", "RCVPRT": "LS", "RCVPRN": "SHOP",
        "CREDAT": created.strftime("%Y%m%d"), "CRETIM": created.strftime("%H%M%S"), "SERIAL": created.strftime("%Y%m%d%H%M%S"),
    }
    terms = dice.one_of(["ZB01", ""])
    rate = dice.one_of(["1.00000", "1.08450", ""])
    head = Segment("E1EDK01", {
        "ACTION": "000", "CURCY": currency, "HWAER": "EUR", "WKURS": rate, "ZTERM": terms, "BSART": "NB", "BELNR": order_number,
        "RECIPNT_NO": "0000004711",
    })
    areas = [("008", "1000"), ("007", "10"), ("006", "00")][: 1 + dice.below(3)]
    ordered = datetime(2024, 2, 29) if number % 17 == 0 else created - timedelta(days=1)
    wanted = dice.one_of([None, created + timedelta(days=14)])
    dates = [("012", ordered), ("002", wanted)]
    documents = [("001", f"PO-{number}/Ä", ordered), ("002", "", None)][: 1 + dice.below(2)]
    partners = []
    for role in ["AG", "WE", "LF"][: 2 + dice.below(2)]:
        partners.append({
            "role": role, "number": customer if role == "AG" else dice.one_of([None, f"{2000 + dice.below(9):010}"]),
            "names": [dice.one_of(names) for _ in range(1 + dice.below(3))], "street": dice.one_of(["Straße 7 ½", None]),
            "city": dice.one_of(["Århus", "München", "Saint-Étienne"]), "postcode": "8000", "country": dice.one_of(["DK", "DE", "FR"]),
        })
    headings = [("Z001", *dice.one_of(texts)) for _ in range(dice.below(3))]
    lines = [line(dice, number, place, names, texts) for place in range(1 + dice.below(4))]
    net = sum((Decimal(made["net"]) for made, _ in lines), Decimal("0.00"))
    segments = [head]
    segments += [Segment("E1EDK14", {"QUALF": key, "ORGID": value}) for key, value in areas]
    segments += [Segment("E1EDK03", {"IDDAT": key, "DATUM": day(date, dice)}) for key, date in dates]
    segments += [partner_segment(partner) for partner in partners]
    segments += [Segment("E1EDK02", {"QUALF": key, "BELNR": name, "DATUM": day(date, dice)}) for key, name, date in documents]
    if number % 3 == 0:
        segments.append(Segment("E1EDK17", {"QUALF": "001", "LKOND": "DAP", "LKTEXT": "Delivered"}))
    segments += text_segments("E1EDKT", headings)
    segments += [segment for _, segment in lines]
    segments.append(Segment("E1EDS01", {"SUMID": "001", "SUMME": str(len(lines))}))
    segments.append(Segment("E1EDS01", {"SUMID": "002", "SUMME": signed(f"{net:.2f}"), "SUNIT": currency, "WAERQ": currency}))
    order = {
        "docnum": control["DOCNUM"], "message": "ORDERS", "created": created.isoformat(), "number": order_number, "type": "NB",
        "customer": customer, "currency": currency, "rate": rate or None, "terms": terms or None,
        "areas": [{"qualifier": key, "value": value} for key, value in areas],
        "dates": [{"qualifier": key, "value": iso(date)} for key, date in dates],
        "documents": [{"qualifier": key, "number": name or None, "date": iso(date)} for key, name, date in documents],
        "partners": partners,
        "texts": [{"id": name, "language": language, "text": text} for name, language, text in headings],
        "items": [made for made, _ in lines],
        "net": f"{net:.2f}",
    }
    return IDoc(control, segments, order)


def partner_segment(partner: dict) -> Segment:
    fields = {"PARVW": partner["role"], "PARTN": partner["number"] or ""}
    fields |= {f"NAME{place}": name for place, name in enumerate(partner["names"], 1)}
    fields |= {"STRAS": partner["street"] or "", "ORT01": partner["city"], "PSTLZ": partner["postcode"], "LAND1": partner["country"]}
    return Segment("E1EDKA1", fields)


def line(dice: Dice, number: int, place: int, names: list, texts: list) -> tuple[dict, Segment]:
    """An item, as it is published and as it is sent."""
    quantity = dice.one_of(["1.000", "12.000", "0.250", "1000.000", "3"])
    price, per = dice.one_of([("9.95", "1"), ("0.10", "1"), ("1999.99", "100"), ("0.00", "1"), ("-4.20", "1")])
    net = f"{Decimal(quantity) * Decimal(price) / Decimal(per):.2f}"
    if number % 13 == 5 and place == 0:
        quantity, price, net = "99999999999.999", "99999999999.99", "-9999999999999.99"
    if number % 13 == 6 and place == 0:
        quantity, net = "0.000", "0.00"
    unit = dice.one_of(UNITS)
    name = dice.one_of(names)
    materials = [("001", f"C-{place}/ß"), ("002", f"{place:018}"), ("003", "4006381333931")][: 1 + dice.below(3)]
    first = BEGIN + timedelta(days=7)
    schedule = [(first, quantity), (None, "0.000")][: 1 + dice.below(2)]
    said = [("0001", *dice.one_of(texts)) for _ in range(dice.below(2))]
    children = [Segment("E1EDP20", {"WMENG": amount, "AMENG": "", "EDATU": day(date, dice)}) for date, amount in schedule]
    if place == 1:
        children.append(Segment("E1EDP05", {"ALCKZ": "-", "KSCHL": "RB00", "KOTXT": "Rabatt", "BETRG": "1.00-"}))
    for key, value in materials:
        children.append(Segment("E1EDP19", {"QUALF": key, "IDTNR": value, "KTEXT": name if key == "001" else ""}))
    children += text_segments("E1EDPT", said)
    fields = {
        "POSEX": f"{10 * (place + 1):06}", "ACTION": "001", "MENGE": quantity.rjust(15) if place == 1 else quantity,
        "MENEE": unit, "VPREI": signed(price), "PEINH": per, "NETWR": signed(net),
    }
    made = {
        "position": fields["POSEX"], "materials": [{"qualifier": key, "value": value} for key, value in materials], "name": name,
        "quantity": quantity, "unit": unit, "price": price, "per": per, "net": net,
        "schedule": [{"date": iso(date), "quantity": amount} for date, amount in schedule],
        "texts": [{"id": name, "language": language, "text": text} for name, language, text in said],
    }
    return made, Segment("E1EDP01", fields, children)


# ── what can be wrong ────────────────────────────────────────────────────────────────────────────────


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


# ── files ────────────────────────────────────────────────────────────────────────────────────────────


class Data:
    """All that is made."""

    def __init__(self) -> None:
        self.dice, self.number, self.sound, self.dead = Dice(), 0, [], []

    def idocs(self, sender: str, count: int, wrong: list, utf8: bool = True) -> list[IDoc]:
        """So many, wrong ones among them."""
        made = []
        for place in range(count):
            self.number += 1
            names, texts = (MORE_NAMES, MORE_TEXTS) if utf8 else (NAMES, TEXTS)
            new = idoc(self.dice, self.number, sender, names, texts)
            if place % 2 == 1 and place // 2 < len(wrong):
                wrong[place // 2](new)
                self.dead.append((new.docnum, new.reason))
            else:
                self.sound.append(new)
            made.append(new)
        return made


def put(name: str, data: bytes) -> None:
    path = HERE / "data" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def put_flat(name: str, idocs: list, encoding: str = "utf-8", trimmed: bool = False, end: str = "\n") -> None:
    lines = [line for idoc in idocs for line in flat(idoc)]
    if trimmed:
        lines = [line.rstrip(" ") for line in lines]
    errors = "surrogateescape" if encoding == "utf-8" else "strict"
    put(name, "".join(line + end for line in lines).encode(encoding, errors))


def put_xml(name: str, idocs: list, encoding: str = "utf-8", indented: bool = False) -> None:
    body = "".join(structured(idoc, indented) for idoc in idocs)
    text = f'<?xml version="1.0" encoding="{encoding}"?>\n<ORDERS05>{body}\n</ORDERS05>\n'
    put(name, text.encode(encoding))


def main() -> None:
    """Writes everything."""
    data = Data()
    whole = data.idocs("P01CLNT100", 20, RECORDS)
    put_flat("ORDERS_20261103_1.idoc", whole)
    trimmed = data.idocs("P01CLNT100", 48, [CUT_IN_ITS_HEAD, *BOTH])
    put_flat("trimmed/ORDERS_20261103_2.idoc", trimmed, trimmed=True, end="\r\n")
    put_flat("latin1/ORDERS_20261103_3.idoc", data.idocs("Q02CLNT200", 12, BOTH[5:6], utf8=False), "iso-8859-1", trimmed=True)
    structured_ones = data.idocs("Q02CLNT200", 34, BOTH[:6])
    # One came as a flat file, and comes again.
    put_xml("ORDERS_20261103_4.xml", [*structured_ones, whole[0]], indented=True)
    put_xml("ORDERS_20261103_5.xml", data.idocs("Q02CLNT200", 12, BOTH[16:17], utf8=False), "iso-8859-1")
    # Wrong as a whole.
    put("wrong/NOTES.idoc", "Dear colleagues,\nthe orders come tomorrow.\n".encode())
    put("wrong/ORDERS_20261103_6.xml", b'<?xml version="1.0"?><ORDERS05><IDOC BEGIN="1"><EDI_DC40 SEGMENT="1"></IDOC></ORDERS05>')
    put("wrong/ORDERS_20261103_7.xml", b'<?xml version="1.0"?><INVOIC02></INVOIC02>')
    dead = data.dead + [
        ("NOTES.idoc", "NOTES.idoc: line 1 comes before the first control record (EDI_DC40)"),
        ("ORDERS_20261103_6.xml", "XML syntax error on line 1: element <EDI_DC40> closed by </IDOC>"),
        ("ORDERS_20261103_7.xml", "there is no IDOC in it"),
    ]
    write_csv("dead.csv", ["subject", "reason"], dead)
    orders = "".join(json.dumps(idoc.order, ensure_ascii=False) + "\n" for idoc in data.sound)
    (HERE / "expected.jsonl").write_text(orders, encoding="utf-8")
    write_fixtures()
    print(data.number, "IDocs,", len(data.sound), "sound,", len(data.dead), "wrong")


def write_fixtures() -> None:
    """A file of two IDocs, one of them cut short; an IDoc in both forms; one that was published before; wrong ones."""
    dice = Dice()
    sound, wrong = (idoc(dice, number, "P01CLNT100", NAMES, TEXTS[:1]) for number in (1, 2))
    in_field("E1EDP01", "MENGE", "12,000", QUANTITY)(wrong)
    texts = ["".join(line.rstrip(" ") + "\n" for line in flat(one)) for one in (sound, wrong)]
    sender, file = "P01CLNT100", "trimmed/ORDERS.idoc"
    key = f"published/{sender}/{sound.docnum}"

    def event(one: IDoc, text: str, content_type: str = "text/plain; charset=utf-8", **more: str) -> dict:
        extensions = [f"{name}: {value}" for name, value in {"file": file, "sender": sender, **more}.items()]
        made = {"type": "idoc.arrived", "subject": one.docnum, "content_type": content_type}
        return made | {"extensions": extensions, "data_text": text}

    def draft(one: IDoc, text: str, **more: str) -> dict:
        made = event(one, text)
        pairs = [[name, value] for name, value in {"file": file, "sender": sender, **more}.items()]
        return {"type": made["type"], "subject": one.docnum, "content_type": made["content_type"], "extensions": pairs, "data": text}

    def fixture(name: str, event: dict, **rest: object) -> None:
        made = json.dumps({"event": event, **rest}, indent=2, ensure_ascii=False)
        (HERE / "go/tests" / name).write_text(made + "\n", encoding="utf-8")

    message = {
        "topic": "orders", "key": sound.order["customer"], "content_type": "application/json",
        "headers": [["docnum", sound.docnum], ["mestyp", "ORDERS"], ["sender", sender]],
        "data": json.dumps(sound.order, ensure_ascii=False),
    }
    publish = {"capability": "messaging", "what": "publish broker orders",
               "request": {"connection": "broker", "publish": [message]}}
    done = {"docnum": sound.docnum, "order": sound.order["number"], "published": True}
    after = {key: sound.order["number"]}
    parted = {"run": {"trigger": "parted"}}
    published = parted | {"calls": [publish], "kv_after": after, "outcome": {"output": {"data": done}}}
    fixture("first.json", event(sound, texts[0]), **published)
    fixture("xml.json", event(sound, structured(sound, True).strip(), "application/xml"), **published)
    fixture("again.json", event(sound, texts[0]), **parted, kv=after, kv_after=after,
            outcome={"output": {"data": done | {"published": False}}})
    fixture("wrong-quantity.json", event(wrong, texts[1]), **parted,
            outcome={"outcome": "rejected", "reason": f"IDoc {wrong.docnum}: {wrong.reason}"})
    fixture("cut-short.json", event(wrong, texts[1], fault="line 9 of the file: the record has 40 characters, not 1063"),
            **parted, outcome={"outcome": "rejected", "reason": f"IDoc {wrong.docnum}: line 9 of the file: the record has 40"})
    away = {"capability": "messaging", "what": "publish broker orders",
            "error": {"error": "unavailable", "text": "nobody is there"}}
    fixture("unavailable.json", event(sound, texts[0]), **parted, calls=[away], kv_after={},
            outcome={"outcome": "failed", "reason": "nobody is there"})

    lines = texts[0].splitlines() + texts[1].splitlines()
    place = len(texts[0].splitlines()) + 3
    lines[place - 1] = lines[place - 1][:40]
    data = "".join(line + "\r\n" for line in lines)
    cut = "".join(line + "\n" for line in lines[len(texts[0].splitlines()) :])
    fault = f"line {place} of the file: the record has 40 characters, not 1063"
    emitted = [draft(sound, texts[0]), draft(wrong, cut, fault=fault)]
    fixture("part.json", {"subject": file, "data_base64": b64encode(data.encode()).decode()}, run={"trigger": "arrived"},
            config={"files": {"trimmed/": {"trimmed": True}}}, calls=[{"capability": "events", "request": emitted}],
            outcome={"output": {"data": {"file": file, "idocs": 2}}})


def write_csv(name: str, header: list, rows: list) -> None:
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if any(special in text for special in ',"\n\r') else text

    text = "".join(",".join(map(cell, row)) + "\n" for row in [header, *rows])
    (HERE / name).write_text(text, encoding="utf-8")


main()
