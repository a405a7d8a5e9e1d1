"""Small files for `jackfield test`."""

import json
from base64 import b64encode
from datetime import date
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

from as400 import Entry, File, Wrong, file_bytes, packed, record_bytes

HERE = Path(__file__).parent


def write_fixtures() -> None:
    """A sound entry between two that are not; the same from a database that is away; a trailer that counts one more."""
    first = Entry(
        4711,
        "X",
        "RE00000001",
        date(2024, 2, 29),
        None,
        Decimal("-119.00"),
        Decimal("-19.00"),
        Decimal("-1.500"),
        Decimal("1.085"),
        "EUR",
        'Größe "7½"',
    )
    wrong = [
        Wrong(first, 27, packed(1260230, 7), "DUE-ON is X'1260230C': there is no 2026-02-30"),
        Wrong(first, 31, bytes([0x40] * 7), "AMOUNT is X'40404040404040': 0 is no sign"),
    ]
    small = File(
        "de/LEDGER.D240301", 273, "Müller & Söhne GmbH", (date(2024, 3, 1), "061500"), [wrong[0], first, wrong[1]]
    )
    data = file_bytes(small)
    digest = sha256(data).hexdigest()

    def source(name: str) -> str:
        """The text of a statement, as the handler has it."""
        code = (HERE / "rust/src/lib.rs").read_text(encoding="utf-8")
        text = code.split(f"const {name}: &str =", 1)[1].split('"', 2)[1]
        return " ".join(text.replace("\\\n", "").split())

    def statement(name: str, *values: object) -> dict:
        kinds = {str: "text", int: "integer"}
        parameters = ["null" if value is None else {kinds[type(value)]: value} for value in values]
        return {"statement": {"text": source(name), "parameters": parameters}}

    def reject(record: int, wrong: Wrong) -> dict:
        return statement("INSERT_REJECT", digest, record, wrong.reason, record_bytes(wrong, "cp273").hex().upper())

    batch = [
        statement(
            "INSERT_FILE",
            digest,
            small.name,
            small.company,
            "S10F3A2B",
            "2024-03-01 06:15:00",
            "202403",
            3,
            "-357.00",
            "-119.00",
        ),
        reject(1, wrong[0]),
        statement(
            "INSERT_ENTRY",
            digest,
            2,
            "0000004711",
            "expense",
            first.document,
            "2024-02-29",
            None,
            "-119.00",
            "-19.00",
            "-1.500",
            "1.085000",
            "EUR",
            first.narrative,
        ),
        reject(3, wrong[1]),
        statement("COMPLETE", digest),
    ]
    what = "batch ledger insert ledger_entries, ledger_files, ledger_rejects; update ledger_files"
    config = {"ccsids": {"de/": 273}}

    def event(data: bytes) -> dict:
        return {
            "id": f"{small.name} {sha256(data).hexdigest()}",
            "subject": small.name,
            "data_base64": b64encode(data).decode("ascii"),
        }

    def fixture(name: str, data: bytes, **rest: object) -> None:
        made = json.dumps({"event": event(data), "config": config, **rest}, indent=2, ensure_ascii=False)
        (HERE / "rust/tests" / name).write_text(made + "\n", encoding="utf-8")

    output = {"file": small.name, "records": 3, "entries": 1, "rejected": 2}
    done = {
        "capability": "sql",
        "what": what,
        "request": {"connection": "ledger", "batch": batch},
        "response": {"changes": [{"rows": 1}] * len(batch)},
    }
    fixture(
        "first.json",
        data,
        calls=[done],
        log=[f"record 1: {wrong[0].reason}", f"{small.name} is written"],
        outcome={"output": {"data": output}},
    )
    again = {"capability": "sql", "what": what, "response": {"changes": [{"rows": 0}] * 4 + [{"rows": 1}]}}
    fixture("again.json", data, calls=[again], outcome={"output": {"data": output | {"entries": 0, "rejected": 0}}})
    away = {"capability": "sql", "what": what, "error": {"error": "unavailable", "text": "nobody is there"}}
    fixture("unavailable.json", data, calls=[away], outcome={"outcome": "failed", "reason": "nobody is there"})
    reason = f"{small.name}: the trailer has entries 4, the file 3"
    fixture("wrong-trailer.json", file_bytes(small, count=1), outcome={"outcome": "rejected", "reason": reason})
    reason = f"{small.name}: {len(data) - 1} bytes are not whole records of 120"
    fixture("cut-short.json", data[:-1], outcome={"outcome": "rejected", "reason": reason})
