"""IDocs in their two forms: flat records and XML."""

from dataclasses import dataclass, field
from xml.sax.saxutils import escape

# The versions of the segments' definitions, as the file port writes them.
VERSIONS = {
    "E1EDK01": "005",
    "E1EDKA1": "003",
    "E1EDKT1": "002",
    "E1EDKT2": "001",
    "E1EDP01": "007",
    "E1EDP05": "002",
    "E1EDP19": "001",
    "E1EDPT1": "001",
    "E1EDPT2": "001",
}

CONTROL = """TABNAM 10 MANDT 3 DOCNUM 16 DOCREL 4 STATUS 2 DIRECT 1 OUTMOD 1 EXPRSS 1 TEST 1 IDOCTYP 30 CIMTYP 30
MESTYP 30 MESCOD 3 MESFCT 3 STD 1 STDVRS 6 STDMES 6 SNDPOR 10 SNDPRT 2 SNDPFC 2 SNDPRN 10 SNDSAD 21 SNDLAD 70
RCVPOR 10 RCVPRT 2 RCVPFC 2 RCVPRN 10 RCVSAD 21 RCVLAD 70 CREDAT 8 CRETIM 6 REFINT 14 REFGRP 14 REFMES 14 ARCKEY 70 SERIAL 20"""
LAYOUTS = {
    "E1EDK01": """ACTION 3 KZABS 1 CURCY 3 HWAER 3 WKURS 12 ZTERM 17 KUNDEUINR 20 EIGENUINR 20 BSART 4 BELNR 35 NTGEW 18
        BRGEW 18 GEWEI 3 FKART_RL 4 ABLAD 25 BSTZD 4 VSART 2 VSART_BEZ 20 RECIPNT_NO 10""",
    "E1EDK14": "QUALF 3 ORGID 35",
    "E1EDK03": "IDDAT 3 DATUM 8 UZEIT 6",
    "E1EDK17": "QUALF 3 LKOND 3 LKTEXT 70",
    "E1EDKA1": """PARVW 3 PARTN 17 LIFNR 17 NAME1 35 NAME2 35 NAME3 35 NAME4 35 STRAS 35 STRS2 35 PFACH 35 ORT01 35
        COUNC 9 PSTLZ 9 PSTL2 9 LAND1 3""",
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
    lengths = dict(zip(words[::2], map(int, words[1::2]), strict=True))
    assert not values.keys() - lengths.keys(), values.keys() - lengths.keys()
    for name, value in values.items():
        assert len(value) <= lengths[name], (name, value)
    return "".join(values.get(name, "").ljust(length) for name, length in lengths.items())


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
