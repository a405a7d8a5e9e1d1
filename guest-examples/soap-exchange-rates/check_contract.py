#!/usr/bin/env python3
"""Compares what the handler believes of the service, python/src/contract.py, with the service's WSDL:

    check_contract.py http://127.0.0.1:8080/central/ExchangeRates?wsdl

Prints what differs, a line each, and ends with 1 if something does.
"""

import dataclasses
import enum
import sys
import types
import typing
import urllib.request
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

sys.path.insert(0, str(Path(__file__).parent / "python/src"))
import contract  # noqa: E402
import xsd  # noqa: E402

XS = "{http://www.w3.org/2001/XMLSchema}"
SOAP = ["{http://schemas.xmlsoap.org/wsdl/soap/}", "{http://schemas.xmlsoap.org/wsdl/soap12/}"]
SIMPLE = {date: "date", datetime: "dateTime", Decimal: "decimal", int: "int", str: "string"}


def fetched(url: str) -> Element:
    """The XML of a page."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        return ElementTree.fromstring(answer.read())


def schemas(within: Element) -> list[Element]:
    """The schemas of a WSDL, those that it imports too."""
    found = list(within.iter(f"{XS}schema"))
    for imported in within.iter(f"{XS}import"):
        if place := imported.get("schemaLocation"):
            found += schemas(fetched(place))
    return found


def local(name: str) -> str:
    """A name without its prefix."""
    return name.partition(":")[2] or name


def elements_of(kind: type) -> list[tuple[str, str, bool]]:
    """The elements that a dataclass stands for: name, type, and whether there may be none."""
    found = []
    for field, hint in typing.get_type_hints(kind).items():
        of = [part for part in typing.get_args(hint) if part is not types.NoneType] or [hint]
        found.append((xsd.element_name(field), SIMPLE.get(of[0], of[0].__name__), of != [hint]))
    return found


def described(element: Element) -> tuple[str, str, bool]:
    """The same of an element of the WSDL."""
    optional = element.get("nillable") == "true" or element.get("minOccurs") == "0"
    return element.get("name", ""), local(element.get("type", "")), optional


def differences(wsdl: Element) -> list[str]:
    """What the handler believes otherwise."""
    found = []

    def same(what: str, ours: object, theirs: object) -> None:
        if ours != theirs:
            found.append(f"{what}: here {ours}, in the WSDL {theirs}")

    same("namespace", contract.NAMESPACE, wsdl.get("targetNamespace"))
    operations = [one.get("soapAction") for way in SOAP for one in wsdl.iter(f"{way}operation")]
    same("actions", [f"{contract.NAMESPACE}/GetQuotes"], operations)
    all_types = {one.get("name"): one for schema in schemas(wsdl) for one in schema if one.get("name")}
    roots = [one.get("name") for schema in schemas(wsdl) for one in schema.iterfind(f"{XS}element")]
    same("elements", True, {"GetQuotes", "RateProblem"} <= set(roots))
    for name, kind in vars(contract).items():
        if not (isinstance(kind, type) and kind.__module__ == contract.__name__):
            continue
        theirs = all_types.get(name)
        if theirs is None:
            found.append(f"{name}: it is not in the WSDL")
        elif issubclass(kind, enum.Enum):
            values = [one.get("value") for one in theirs.iter(f"{XS}enumeration")]
            same(name, [member.value for member in kind], values)
        elif dataclasses.is_dataclass(kind):
            same(name, elements_of(kind), [described(one) for one in theirs.iter(f"{XS}element")])
    return found


def main() -> int:
    """Compares with every WSDL that was named."""
    found = [f"{url}: {line}" for url in sys.argv[1:] for line in differences(fetched(url))]
    print("\n".join(found) or "the same")
    return 1 if found else 0


sys.exit(main())
