"""Small IDocs for `jackfield test`."""

import json
from base64 import b64encode
from pathlib import Path

from idocs import IDoc, flat, structured
from orders import NAMES, TEXTS, Dice, idoc
from wrong import QUANTITY, in_field

HERE = Path(__file__).parent


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
        return {
            "type": made["type"],
            "subject": one.docnum,
            "content_type": made["content_type"],
            "extensions": pairs,
            "data": text,
        }

    def fixture(name: str, event: dict, **rest: object) -> None:
        made = json.dumps({"event": event, **rest}, indent=2, ensure_ascii=False)
        (HERE / "go/tests" / name).write_text(made + "\n", encoding="utf-8")

    message = {
        "topic": "orders",
        "key": sound.order["customer"],
        "content_type": "application/json",
        "headers": [["docnum", sound.docnum], ["mestyp", "ORDERS"], ["sender", sender]],
        "data": json.dumps(sound.order, ensure_ascii=False),
    }
    publish = {
        "capability": "messaging",
        "what": "publish broker orders",
        "request": {"connection": "broker", "publish": [message]},
    }
    done = {"docnum": sound.docnum, "order": sound.order["number"], "published": True}
    after = {key: sound.order["number"]}
    parted = {"run": {"trigger": "parted"}, "config": {"topic": "orders"}}
    published = parted | {"calls": [publish], "kv_after": after, "outcome": {"output": {"data": done}}}
    fixture("first.json", event(sound, texts[0]), **published)
    fixture("xml.json", event(sound, structured(sound, True).strip(), "application/xml"), **published)
    fixture(
        "again.json",
        event(sound, texts[0]),
        **parted,
        kv=after,
        kv_after=after,
        outcome={"output": {"data": done | {"published": False}}},
    )
    fixture(
        "wrong-quantity.json",
        event(wrong, texts[1]),
        **parted,
        outcome={"outcome": "rejected", "reason": f"IDoc {wrong.docnum}: {wrong.reason}"},
    )
    fixture(
        "cut-short.json",
        event(wrong, texts[1], fault="line 9 of the file: the record has 40 characters, not 1063"),
        **parted,
        outcome={"outcome": "rejected", "reason": f"IDoc {wrong.docnum}: line 9 of the file: the record has 40"},
    )
    away = {
        "capability": "messaging",
        "what": "publish broker orders",
        "error": {"error": "unavailable", "text": "nobody is there"},
    }
    fixture(
        "unavailable.json",
        event(sound, texts[0]),
        **parted,
        calls=[away],
        kv_after={},
        outcome={"outcome": "failed", "reason": "nobody is there"},
    )

    lines = texts[0].splitlines() + texts[1].splitlines()
    place = len(texts[0].splitlines()) + 3
    lines[place - 1] = lines[place - 1][:40]
    data = "".join(line + "\r\n" for line in lines)
    cut = "".join(line + "\n" for line in lines[len(texts[0].splitlines()) :])
    fault = f"line {place} of the file: the record has 40 characters, not 1063"
    emitted = [draft(sound, texts[0]), draft(wrong, cut, fault=fault)]
    fixture(
        "part.json",
        {"subject": file, "data_base64": b64encode(data.encode()).decode()},
        run={"trigger": "arrived"},
        config={"files": {"trimmed/": {"trimmed": True}}},
        calls=[{"capability": "events", "request": emitted}],
        outcome={"output": {"data": {"file": file, "idocs": 2}}},
    )
