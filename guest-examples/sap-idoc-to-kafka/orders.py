"""Orders: as IDocs that are sent, and as they must be published."""

from datetime import datetime, timedelta
from decimal import Decimal

from idocs import IDoc, Segment

BEGIN = datetime(2026, 11, 3, 6, 0, 9)

# What every code page here has, and what only UTF-8 has.
NAMES = [
    "Müller & Söhne GmbH",
    "Zoë Østergård",
    'O\'Neill & Sons, "C/O" Ltd.',
    "Café <Crème> SA",
    "¿Qué tal? S.L.",
    "A" * 35,
]
MORE_NAMES = [*NAMES, "株式会社クッキー", "Ольга Иванова", "محمد علي", "🍕 Pizza Palazzo", "Ame\u0301lie (decomposed)"]
TEXTS = [
    ("DE", "Bitte zweimal klingeln.\nGrüße!"),
    ("EN", "Please ring twice; then wait. " * 9 + "Thank you"),
    ("FR", "  deux espaces d'abord, « guillemets »"),
    ("ES", "x" * 200),
]
MORE_TEXTS = [
    *TEXTS,
    ("JA", "二回鳴らしてください。\n\nありがとう 🙏"),
    ("AR", "مرحبا"),
    ("EL", "Καλημέρα " * 20 + "ω"),
]
UNITS = ["PCE", "KGM", "MTR", "C62"]


class Dice:
    """Numbers that are the same everywhere: a linear congruential generator."""

    state = 524

    def below(self, end: int) -> int:
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % end

    def one_of(self, choices: list) -> object:
        return choices[self.below(len(choices))]


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
        "TABNAM": "EDI_DC40",
        "MANDT": sender[-3:],
        "DOCNUM": f"{420000 + number:016}",
        "DOCREL": "758",
        "STATUS": "30",
        "DIRECT": "1",
        "OUTMOD": "2",
        "IDOCTYP": "ORDERS05",
        "MESTYP": "ORDERS",
        "SNDPOR": "SAP" + sender[:3],
        "SNDPRT": "LS",
        "SNDPRN": sender,
        "RCVPOR": "JACKFIELD",
        "RCVPRT": "LS",
        "RCVPRN": "SHOP",
        "CREDAT": created.strftime("%Y%m%d"),
        "CRETIM": created.strftime("%H%M%S"),
        "SERIAL": created.strftime("%Y%m%d%H%M%S"),
    }
    terms = dice.one_of(["ZB01", ""])
    rate = dice.one_of(["1.00000", "1.08450", ""])
    head = Segment(
        "E1EDK01",
        {
            "ACTION": "000",
            "CURCY": currency,
            "HWAER": "EUR",
            "WKURS": rate,
            "ZTERM": terms,
            "BSART": "NB",
            "BELNR": order_number,
            "RECIPNT_NO": "0000004711",
        },
    )
    areas = [("008", "1000"), ("007", "10"), ("006", "00")][: 1 + dice.below(3)]
    ordered = datetime(2024, 2, 29) if number % 17 == 0 else created - timedelta(days=1)
    wanted = dice.one_of([None, created + timedelta(days=14)])
    dates = [("012", ordered), ("002", wanted)]
    documents = [("001", f"PO-{number}/Ä", ordered), ("002", "", None)][: 1 + dice.below(2)]
    partners = []
    for role in ["AG", "WE", "LF"][: 2 + dice.below(2)]:
        partners.append(
            {
                "role": role,
                "number": customer if role == "AG" else dice.one_of([None, f"{2000 + dice.below(9):010}"]),
                "names": [dice.one_of(names) for _ in range(1 + dice.below(3))],
                "street": dice.one_of(["Straße 7 ½", None]),
                "city": dice.one_of(["Århus", "München", "Saint-Étienne"]),
                "postcode": "8000",
                "country": dice.one_of(["DK", "DE", "FR"]),
            }
        )
    headings = [("Z001", *dice.one_of(texts)) for _ in range(dice.below(3))]
    lines = [line(dice, number, place, names, texts) for place in range(1 + dice.below(4))]
    net = sum((Decimal(made["net"]) for made, _ in lines), Decimal("0.00"))
    segments = [head]
    segments += [Segment("E1EDK14", {"QUALF": key, "ORGID": value}) for key, value in areas]
    segments += [Segment("E1EDK03", {"IDDAT": key, "DATUM": day(date, dice)}) for key, date in dates]
    segments += [partner_segment(partner) for partner in partners]
    segments += [
        Segment("E1EDK02", {"QUALF": key, "BELNR": name, "DATUM": day(date, dice)}) for key, name, date in documents
    ]
    if number % 3 == 0:
        segments.append(Segment("E1EDK17", {"QUALF": "001", "LKOND": "DAP", "LKTEXT": "Delivered"}))
    segments += text_segments("E1EDKT", headings)
    segments += [segment for _, segment in lines]
    segments.append(Segment("E1EDS01", {"SUMID": "001", "SUMME": str(len(lines))}))
    segments.append(
        Segment("E1EDS01", {"SUMID": "002", "SUMME": signed(f"{net:.2f}"), "SUNIT": currency, "WAERQ": currency})
    )
    order = {
        "docnum": control["DOCNUM"],
        "message": "ORDERS",
        "created": created.isoformat(),
        "number": order_number,
        "type": "NB",
        "customer": customer,
        "currency": currency,
        "rate": rate or None,
        "terms": terms or None,
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
    fields |= {
        "STRAS": partner["street"] or "",
        "ORT01": partner["city"],
        "PSTLZ": partner["postcode"],
        "LAND1": partner["country"],
    }
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
    children = [
        Segment("E1EDP20", {"WMENG": amount, "AMENG": "", "EDATU": day(date, dice)}) for date, amount in schedule
    ]
    if place == 1:
        children.append(Segment("E1EDP05", {"ALCKZ": "-", "KSCHL": "RB00", "KOTXT": "Rabatt", "BETRG": "1.00-"}))
    for key, value in materials:
        children.append(Segment("E1EDP19", {"QUALF": key, "IDTNR": value, "KTEXT": name if key == "001" else ""}))
    children += text_segments("E1EDPT", said)
    fields = {
        "POSEX": f"{10 * (place + 1):06}",
        "ACTION": "001",
        "MENGE": quantity.rjust(15) if place == 1 else quantity,
        "MENEE": unit,
        "VPREI": signed(price),
        "PEINH": per,
        "NETWR": signed(net),
    }
    made = {
        "position": fields["POSEX"],
        "materials": [{"qualifier": key, "value": value} for key, value in materials],
        "name": name,
        "quantity": quantity,
        "unit": unit,
        "price": price,
        "per": per,
        "net": net,
        "schedule": [{"date": iso(date), "quantity": amount} for date, amount in schedule],
        "texts": [{"id": name, "language": language, "text": text} for name, language, text in said],
    }
    return made, Segment("E1EDP01", fields, children)
