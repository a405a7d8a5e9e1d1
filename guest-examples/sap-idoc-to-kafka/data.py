#!/usr/bin/env python3
"""Makes the IDocs that the example's test puts into the folder, and what must become of them:

data/            files of IDocs, flat and XML, in several code pages
expected.jsonl   what the topic holds afterwards, an order a line
dead.csv         the IDocs, and the files, that are dead letters, and their reasons
go/tests/        small ones for `jackfield test`

Run it again after a change of it: the same IDocs each time.
"""

import json
from pathlib import Path

from fixtures import write_fixtures
from idocs import IDoc, flat, structured
from orders import MORE_NAMES, MORE_TEXTS, NAMES, TEXTS, Dice, idoc
from wrong import BOTH, CUT_IN_ITS_HEAD, RECORDS

HERE = Path(__file__).parent


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
    put_flat(
        "latin1/ORDERS_20261103_3.idoc", data.idocs("Q02CLNT200", 12, BOTH[5:6], utf8=False), "iso-8859-1", trimmed=True
    )
    structured_ones = data.idocs("Q02CLNT200", 34, BOTH[:6])
    # One came as a flat file, and comes again.
    put_xml("ORDERS_20261103_4.xml", [*structured_ones, whole[0]], indented=True)
    put_xml("ORDERS_20261103_5.xml", data.idocs("Q02CLNT200", 12, BOTH[16:17], utf8=False), "iso-8859-1")
    # Wrong as a whole.
    put("wrong/NOTES.idoc", b"Dear colleagues,\nthe orders come tomorrow.\n")
    put(
        "wrong/ORDERS_20261103_6.xml",
        b'<?xml version="1.0"?><ORDERS05><IDOC BEGIN="1"><EDI_DC40 SEGMENT="1"></IDOC></ORDERS05>',
    )
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


def write_csv(name: str, header: list, rows: list) -> None:
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if any(special in text for special in ',"\n\r') else text

    text = "".join(",".join(map(cell, row)) + "\n" for row in [header, *rows])
    (HERE / name).write_text(text, encoding="utf-8")


main()
