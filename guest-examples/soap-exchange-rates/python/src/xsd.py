"""XML by the types of its schema: an element becomes a dataclass, and a dataclass an element.

A field is the element of its name (`published_at` is `publishedAt`). One that may be None may be nil or missing.
"""

import re
from collections.abc import Callable
from dataclasses import fields
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar, get_args, get_type_hints
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

T = TypeVar("T")

NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
ZONE = r"(?:Z|[+-]\d\d:\d\d)"
DAY = re.compile(rf"(\d{{4}}-\d\d-\d\d){ZONE}?", re.ASCII)
TIME = re.compile(rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?{ZONE}", re.ASCII)
DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)", re.ASCII)
INTEGER = re.compile(r"[+-]?\d+", re.ASCII)


class Unfit(ValueError):
    """An element is not what its type says."""


def element_name(field: str) -> str:
    """`published_at` is `publishedAt`."""
    first, *others = field.split("_")
    return first + "".join(other.capitalize() for other in others)


def read(element: Element, wanted: type[T]) -> T:
    """An element of a complex type."""
    namespace = element.tag[: element.tag.find("}") + 1]
    values: dict[str, Any] = {}
    for field, hint in get_type_hints(wanted).items():
        name = element_name(field)
        child = element.find(namespace + name)
        optional = type(None) in get_args(hint)
        if child is None or child.get(NIL) in ("true", "1"):
            if not optional:
                raise Unfit(f"`{name}` is {'missing' if child is None else 'nil'}")
            values[field] = None
            continue
        kind = next(kind for kind in get_args(hint) if kind is not type(None)) if optional else hint
        text = child.text or ""
        try:
            values[field] = simple(text, kind)
        except ValueError:
            raise Unfit(f"`{name}` is `{text}`, which is no {kind.__name__}") from None
    return wanted(**values)


def simple(text: str, kind: type[Any]) -> Any:
    """A text of a simple type. Only that of xsd:string has spaces at its ends."""
    if kind is str:
        return text
    if issubclass(kind, Enum):
        return kind(text.strip())
    return READERS[kind](text.strip())


def read_day(text: str) -> date:
    """A day stays that day, whatever its time zone: as an instant it would be another one elsewhere."""
    return date.fromisoformat(matched(DAY, text)[1])


READERS: dict[type[Any], Callable[[str], Any]] = {
    date: read_day,
    datetime: lambda text: datetime.fromisoformat(matched(TIME, text)[0]),
    # What Python takes besides, such as 1e5, 1_000 and NaN, is no xsd:decimal.
    Decimal: lambda text: Decimal(matched(DECIMAL, text)[0]),
    int: lambda text: int(matched(INTEGER, text)[0]),
}


def matched(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    """The whole text in a form."""
    match = pattern.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return match


def write(value: Any, namespace: str) -> str:
    """A dataclass of texts and moments as an element called like its type. None is nil."""
    inner = ""
    for field in fields(value):
        name, part = element_name(field.name), getattr(value, field.name)
        if part is None:
            inner += f'<{name} xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/>'
        else:
            text = part.isoformat() if isinstance(part, datetime) else str(part)
            inner += f"<{name}>{escape(text)}</{name}>"
    name = type(value).__name__
    return f'<{name} xmlns="{namespace}">{inner}</{name}>'
