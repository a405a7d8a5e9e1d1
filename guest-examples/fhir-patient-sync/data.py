#!/usr/bin/env python3
"""Makes the patients that the example's test has on both sides, and what must become of them:

server.json       the patients that the server has at first: a transaction of FHIR
server-later.json what changes there afterwards: patients changed, new and deleted
server-last.json  what changes there when our changes have come
local.sql         the hospital's own patients, and its changes of others
local-later.sql   what the hospital puts right
pulled.csv        the tables when all of the first two is here, as written.sql shows them
expected.csv      the same at the end
outbox.csv        what is still in the outbox after local.sql, as outbox.sql shows it
created.jsonl     the patients of the server that have a number of ours then
changed.jsonl     the patients of the server that we changed
rejected-….csv    the dead letters after each of the three changes of the server: subject, reason

Run it again after a change of it: the same each time. It prints how many runs each step is.
"""

import json
from pathlib import Path

HERE = Path(__file__).parent
OURS = "urn:oid:2.16.756.5.30.1.999.1"
INSURANCE = "urn:oid:2.16.756.5.32"

FAMILIES = [
    "O'Neill",
    "Østergård",
    "Müller-Lüdenscheidt",
    "Nguyễn",
    "D'Angelo",
    "Иванова",
    "محمد",
    "李",
    "山田",
    "Παπαδόπουλος",
]
FAMILIES += [
    "de la Cruz y Fernández",
    "Ng",
    "Łukasiewicz",
    "Þórsdóttir",
    "ben Yehuda",
    "Robert'); drop table patients;--",
    "Ame\u0301lie",
]
GIVEN = [
    "Zoë",
    "Seán",
    "Anna Maria",
    "Thị",
    "Ольга",
    "فاطمة",
    "小龍",
    "太郎",
    "Ελένη",
    "José",
    "Björk",
    "X Æ A-12",
    "🌸",
    "Nul",
]
LINES = [
    "Bahnhofstrasse 1",
    'c/o "Haus am See"',
    "Rue de l'Hôpital 7",
    "مبنى 5، شارع الملك",
    "東京都千代田区1-1",
    "Flat 3\\B",
    "100 % Street",
]
CITIES = ["Zürich", "Genève", "St. Gallen", "Den Haag", "İstanbul", "東京", "L'Aquila"]
# A day, a month, a year, a leap day, nothing.
BIRTHS = ["1957-03-14", "1957-03", "1957", "2024-02-29", "1900-01-01", "2026-11-01", None]
GENDERS = ["male", "female", "other", "unknown", None]


class Dice:
    """Numbers that are the same everywhere: a linear congruential generator."""

    state = 11

    def below(self, end: int) -> int:
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % end

    def one_of(self, choices: list) -> object:
        return choices[self.below(len(choices))]


def person(dice: Dice, number: int) -> dict:
    """What is known of somebody, by the names of our tables."""
    names = [
        {
            "use": "official",
            "family": dice.one_of(FAMILIES),
            "given": [dice.one_of(GIVEN) for _ in range(dice.below(3))],
        }
    ]
    if dice.below(4) == 0:
        names.append({"use": "maiden", "family": dice.one_of(FAMILIES), "given": []})
    if dice.below(5) == 0:
        names.append({"use": "nickname", "whole": "the \"Boss\"; 'Kiki' \\ <b>", "given": []})
    contacts = []
    if dice.below(3):
        contacts.append({"system": "phone", "value": f"+41 44 {number:03} {dice.below(90) + 10} 00", "use": "home"})
    if dice.below(3) == 0:
        contacts.append({"system": "email", "value": f"p.{number}+x@example.org"})
    addresses = []
    if dice.below(4):
        lines = [dice.one_of(LINES) for _ in range(1 + dice.below(2))]
        addresses.append(
            {
                "use": "home",
                "lines": lines,
                "city": dice.one_of(CITIES),
                "postal_code": f"0{number:03}",
                "country": "CH",
            }
        )
    if number % 30 == 7:
        addresses.append({"use": "billing", "lines": ["Very long line, behind the second gate; " * 40], "city": "Ng"})
    made = {
        "active": dice.below(9) != 0,
        "gender": dice.one_of(GENDERS),
        "birth_date": dice.one_of(BIRTHS),
        "deceased": None,
        "names": names,
        "identifiers": [{"system": INSURANCE, "value": f"756.{number:04}.{dice.below(10000):04}"}]
        if dice.below(5)
        else [],
        "contacts": contacts,
        "addresses": addresses,
    }
    if number % 12 == 5:
        made["deceased"] = dice.one_of(["yes", "2024", "2024-11-02", "2024-11-02T08:15:00+01:00"])
    return made


def resource(one: dict, ours: str | None = None, **more: object) -> dict:
    """Somebody as FHIR has them."""
    deceased = one["deceased"]
    numbers = ([{"system": OURS, "value": ours}] if ours else []) + one["identifiers"]
    made = {
        "resourceType": "Patient",
        "active": one["active"],
        "gender": one["gender"],
        "birthDate": one["birth_date"],
        "deceasedBoolean": True if deceased == "yes" else None,
        "deceasedDateTime": None if deceased == "yes" else deceased,
        "identifier": numbers,
        "name": [
            {"use": n.get("use"), "family": n.get("family"), "given": n["given"], "text": n.get("whole")}
            for n in one["names"]
        ],
        "telecom": [{key: c.get(key) for key in ("system", "value", "use")} for c in one["contacts"]],
        "address": [
            {
                "use": a.get("use"),
                "line": a["lines"],
                "city": a.get("city"),
                "postalCode": a.get("postal_code"),
                "country": a.get("country"),
            }
            for a in one["addresses"]
        ],
    }
    return short(made) | more


def short(value: dict) -> dict:
    """Without what is nothing."""
    kept = {}
    for name, part in value.items():
        if isinstance(part, list):
            part = [short(one) if isinstance(one, dict) else one for one in part]
        if part is not None and part != []:
            kept[name] = part
    return kept


def row(key: str, one: dict, version: int) -> list:
    """Somebody as written.sql shows them."""

    def shown(parts: list) -> str:
        return "; ".join(" | ".join("" if part is None else str(part) for part in parts_of) for parts_of in parts)

    def cut(text: str) -> str:
        return text if len(text) <= 40 else f"{text[:40]}… ({len(text)})"

    return [
        key,
        version,
        "t" if one["active"] else "f",
        one["gender"],
        one["birth_date"],
        one["deceased"],
        shown([[n.get("use"), n.get("family"), " ".join(n["given"]), n.get("whole")] for n in one["names"]]),
        shown([[i["system"], i["value"]] for i in one["identifiers"]]),
        shown([[c["system"], c["value"], c.get("use")] for c in one["contacts"]]),
        shown(
            [
                [a.get("use"), cut(" / ".join(a["lines"])), a.get("city"), a.get("postal_code"), a.get("country")]
                for a in one["addresses"]
            ]
        ),
    ]


# ── the server ───────────────────────────────────────────────────────────────────────────────────────────


def bundle(entries: list[tuple[str, str, dict | None]]) -> str:
    """A transaction: all of it at once. Method, patient, resource."""
    listed = []
    for method, patient, content in entries:
        entry = {"request": {"method": method, "url": f"Patient/{patient}"}}
        if content is not None:
            entry["resource"] = content | {"id": patient}
        listed.append(entry)
    made = {"resourceType": "Bundle", "type": "transaction", "entry": listed}
    return json.dumps(made, ensure_ascii=False, indent=1) + "\n"


EXTRA = {
    "maritalStatus": {"text": "it's complicated"},
    "contact": [{"name": {"text": "Mother's friend"}, "telecom": [{"system": "phone", "value": "117"}]}],
    "extension": [{"url": "urn:example:bed", "valueString": "12 B"}],
}

# ── the hospital ─────────────────────────────────────────────────────────────────────────────────────────


def literal(value: object) -> str:
    """A value in SQL."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "array[" + ", ".join(map(literal, value)) + "]::text[]"
    return "'" + str(value).replace("'", "''") + "'"


LISTS = {
    "names": ("patient_names", ["use", "family", "given", "whole"]),
    "identifiers": ("patient_identifiers", ["system", "value"]),
    "contacts": ("patient_contacts", ["system", "value", "use"]),
    "addresses": ("patient_addresses", ["use", "lines", "city", "postal_code", "country"]),
}


def insert(mrn: str | None, one: dict) -> str:
    """Somebody new, in one statement."""
    values = [mrn, one["active"], one["gender"], one["birth_date"], one["deceased"]]
    columns = "mrn, active, gender, birth_date, deceased"
    made = f"with p as (insert into patients ({columns}) values ({', '.join(map(literal, values))}) returning id)"
    for name, (table, columns) in LISTS.items():
        for position, part in enumerate(one[name]):
            cells = ", ".join(literal(part.get(column)) for column in columns)
            made += f",\n  {name}{position} as (insert into {table} (patient_id, position, {', '.join(columns)})"
            made += f" select id, {position}, {cells} from p)"
    return f"{made}\nselect from p;\n"


def main() -> None:
    """Writes the files."""
    dice = Dice()
    there = {f"zh-{number:04}": person(dice, number) for number in range(1, 61)}
    here = {f"A-{number:04}": person(dice, 100 + number) for number in range(1, 77)}
    # Numbers that have a meaning in searches and addresses.
    here["A-0077,1|x\\y"] = person(dice, 177)
    here["Ä 78/7&b=%41+c#d"] = person(dice, 178)
    version = dict.fromkeys(there, 1)

    # ── at first ──
    first = [
        ("PUT", key, resource(one, **(EXTRA if index % 3 == 0 else {})))
        for index, (key, one) in enumerate(there.items())
    ]
    odd = person(dice, 90)
    nobody = "has our number {}, which is nobody's"
    rejected = [
        ("zh-odd1", resource(odd, "A-9999"), nobody.format("A-9999")),
        (
            "zh-odd2",
            resource(odd | {"identifiers": [{"system": OURS, "value": "A-1"}]}, "A-2"),
            "there are 2 of our numbers: A-2, A-1",
        ),
        # Of these numbers are two patients here later, and none of them is sent.
        ("zh-odd3", resource(odd, "A-0005"), nobody.format("A-0005")),
        ("zh-odd4", resource(odd, "A-0005"), nobody.format("A-0005")),
        ("zh-odd5", resource(odd, "A-0006"), nobody.format("A-0006")),
    ]
    for place, (key, content, _) in enumerate(rejected):
        first.insert(11 * place + 3, ("PUT", key, content))
    write("server.json", bundle(first))
    letters = [[key, reason] for key, _, reason in rejected]
    write_csv("rejected-first.csv", ["subject", "reason"], letters)

    # ── later ──
    gone = ["zh-0021", "zh-0033"]
    changed = [f"zh-{number:04}" for number in range(40, 50)] + ["zh-0022"]
    later: list = [("DELETE", key, None) for key in gone]
    for key in changed:
        there[key] = there[key] | {
            "gender": "other",
            "names": [*there[key]["names"], {"use": "old", "family": "Vorher", "given": []}],
        }
        version[key] += 1
        later.append(("PUT", key, resource(there[key])))
    there["zh-0061"] = person(dice, 61)
    version["zh-0061"] = 1
    later.append(("PUT", "zh-0061", resource(there["zh-0061"])))
    write("server-later.json", bundle(later))
    # A search does not tell who was deleted: they stay here.
    write_csv("pulled.csv", HEADER, [row(key, one, version[key]) for key, one in sorted(there.items())])

    # ── here ──
    wrong = {
        "A-0011": (
            {"gender": "weiblich"},
            """[element="gender"] Invalid attribute value "weiblich": Unknown AdministrativeGender code 'weiblich'""",
        ),
        "A-0022": (
            {"birth_date": "2025-02-30"},
            """[element="birthDate"] Invalid attribute value "2025-02-30": Invalid date/time format: "2025-02-30\"""",
        ),
        "A-0033": (
            {"birth_date": "14.03.1957"},
            """[element="birthDate"] Invalid attribute value "14.03.1957": Invalid date/time format: "14.03.1957\"""",
        ),
        "A-0044": (
            {"contacts": [{"system": "mobile", "value": "079"}]},
            """[element="system"] Invalid attribute value "mobile": Unknown ContactPointSystem code 'mobile'""",
        ),
        "A-0055": (
            {"deceased": "soon"},
            """[element="deceasedDateTime"] Invalid attribute value "soon": Invalid date/time format: "soon\"""",
        ),
        "A-0066": (
            {"names": [{"use": "artist", "family": "Ng", "given": []}]},
            """[element="use"] Invalid attribute value "artist": Unknown NameUse code 'artist'""",
        ),
    }
    for mrn, (change, _) in wrong.items():
        here[mrn] = here[mrn] | change
    here |= {"": person(dice, 198)}
    statements = [insert(mrn, one) for mrn, one in here.items()]
    nameless = person(dice, 199)
    statements.append(insert(None, nameless))
    edited = [f"zh-{number:04}" for number in range(1, 13)]
    for key in edited:
        there[key] = there[key] | {"gender": "female", "birth_date": "1957-03"}
        version[key] += 1
        statements.append(f"update patients set gender = 'female', birth_date = '1957-03' where fhir_id = '{key}';\n")
    street = {"use": "temp", "lines": ["Rue de l'Hôpital 7", "2e étage"], "city": "Genève"}
    there["zh-0013"] = there["zh-0013"] | {"addresses": [*there["zh-0013"]["addresses"], street]}
    version["zh-0013"] += 1
    statements.append(
        "insert into patient_addresses (patient_id, position, use, lines, city)\n"
        f"select id, 9, 'temp', {literal(street['lines'])}, 'Genève' from patients where fhir_id = 'zh-0013';\n"
    )
    there["zh-0020"] = there["zh-0020"] | {"gender": "w"}
    there["zh-0021"] = there["zh-0021"] | {"active": not there["zh-0021"]["active"]}
    there["zh-0022"] = there["zh-0022"] | {"birth_date": "1958"}
    statements += [
        "update patients set gender = 'w' where fhir_id = 'zh-0020';\n",
        "update patients set active = not active where fhir_id = 'zh-0021';\n",
        "-- As if the change of this one there had not been heard yet.\n"
        "update patients set fhir_version = '1', fhir_updated = fhir_updated - interval '1 hour' where fhir_id = 'zh-0022';\n"
        "update patients set birth_date = '1958' where fhir_id = 'zh-0022';\n",
    ]
    version["zh-0022"] = 1
    write("local.sql", "\n".join(statements))

    stays = [[mrn, "refused", reason] for mrn, (_, reason) in wrong.items()]
    stays += [
        ["", "refused", "there is no number of ours to find the patient by"],
        [None, "refused", "there is no number of ours to find the patient by"],
        ["A-0005", "conflict", "several patients have our number"],
        ["A-0006", "conflict", "our number is Patient/zh-odd5 there already, which is not from here"],
        [
            "zh-0020",
            "refused",
            """[element="gender"] Invalid attribute value "w": Unknown AdministrativeGender code 'w'""",
        ],
        ["zh-0021", "conflict", "the patient is not there any more"],
        ["zh-0022", "conflict", "Patient/zh-0022 is version 2 there, and 1 is known here"],
    ]
    write_csv(
        "outbox.csv", ["patient", "state", "error"], sorted(stays, key=lambda cells: (cells[0] is None, cells[0] or ""))
    )
    sent = {mrn: one for mrn, one in here.items() if mrn not in {cells[0] for cells in stays}}
    created = [resource(one, mrn, meta={"versionId": "1"}) for mrn, one in sent.items()]
    write_lines("created.jsonl", [*created, *(content | {"id": key} for key, content, _ in rejected)])
    changes = []
    for key in [*edited, "zh-0013"]:
        # What we know nothing of is still there.
        extra = EXTRA if (int(key[-2:]) - 1) % 3 == 0 else {}
        changes.append(resource(there[key], **extra, id=key, meta={"versionId": str(version[key])}))
    write_lines("changed.jsonl", changes)

    # ── at last: there, and here ──
    there["zh-0030"] = there["zh-0030"] | {"gender": "unknown"}
    version["zh-0030"] += 1
    last = [
        ("PUT", "zh-0030", resource(there["zh-0030"])),
        ("PUT", "zh-0020", resource(there["zh-0020"] | {"gender": "male"})),
        ("PUT", "zh-odd6", resource(odd, "A-0010")),
        ("PUT", "zh-odd7", resource(odd, "A-0011")),
    ]
    letters += [
        ["zh-0020", "Patient/zh-0020 is version 2 now, and has changed here, too"],
        ["zh-odd6", "Patient/zh-odd6 has our number A-0010, whose patient is Patient/"],
        ["zh-odd7", "Patient/zh-odd7 has our number A-0011, whose patient is not sent yet"],
    ]
    write("server-last.json", bundle(last))
    write_csv("rejected-last.csv", ["subject", "reason"], letters)
    here["A-0022"] = here["A-0022"] | {"birth_date": "2025-02-28"}
    write("local-later.sql", "update patients set birth_date = '2025-02-28' where mrn = 'A-0022';\n")
    rows = [row(key, one, version[key]) for key, one in there.items()]
    rows += [row(mrn, one, 1 if mrn in sent or mrn == "A-0022" else None) for mrn, one in here.items()]
    rows.append(row(None, nameless, None))
    write_csv("expected.csv", HEADER, sorted(rows, key=lambda cells: (cells[0] is None, cells[0] or "")))

    runs = len(first) - len(rejected)
    print(f"at first {runs}, dead {len(rejected)}")
    runs += len(changed) + 1
    print(f"later {runs}")
    heard = len(created) + len(changes)
    runs += len(statements) + heard
    print(f"here {runs}: {len(statements)} sent, {heard} of them heard again")
    print(f"last {runs + 1}, dead {len(letters)}; put right {runs + 3}")


HEADER = [
    "patient",
    "version",
    "active",
    "gender",
    "birth_date",
    "deceased",
    "names",
    "identifiers",
    "contacts",
    "addresses",
]


def write(name: str, text: str) -> None:
    """A file."""
    (HERE / name).write_text(text, encoding="utf-8")


def write_lines(name: str, values: list) -> None:
    """A file of JSON lines."""
    write(name, "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in values))


def write_csv(name: str, header: list, rows: list) -> None:
    """As PostgreSQL writes it: no text is "", and nothing is nothing."""

    def cell(value: object) -> str:
        text = "" if value is None else str(value)
        if value == "" or any(special in text for special in ',"\n\r'):
            return '"' + text.replace('"', '""') + '"'
        return text

    write(name, "".join(",".join(map(cell, row)) + "\n" for row in [header, *rows]))


main()
