"""Values of databases: what becomes a parameter, and what the values of a row become."""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any, Union, get_args, get_origin

from ._data import Unfit, dumps, loads, reader_of
from ._errors import Invalid

SqlValue = None | bool | int | float | str | bytes
"""A value in a row."""

# Known by their names: a component whose handler imports neither need not hold them.
_BY_NAME = {("decimal", "Decimal"), ("uuid", "UUID")}


def lowest(parameters: Sequence[object]) -> list[SqlValue]:
    """Parameters as the plain values that the host takes."""
    if isinstance(parameters, (str, bytes)):
        raise Invalid("parameters are a list: [value]")
    return [_lowest(parameter, number) for number, parameter in enumerate(parameters, 1)]


def _lowest(parameter: Any, number: int) -> SqlValue:
    if isinstance(parameter, enum.Enum):
        return _lowest(parameter.value, number)
    if parameter is None or isinstance(parameter, (bool, float, str, bytes)):
        return parameter
    if isinstance(parameter, int):
        # What does not fit 64 bits goes as text, which the database casts.
        return parameter if -(2**63) <= parameter < 2**63 else str(parameter)
    if isinstance(parameter, (bytearray, memoryview)):
        return bytes(parameter)
    if isinstance(parameter, (date, time)):
        return parameter.isoformat()
    if any((of.__module__, of.__qualname__) in _BY_NAME for of in type(parameter).__mro__):
        return str(parameter)
    if isinstance(parameter, (list, tuple, Mapping)) or dataclasses.is_dataclass(parameter):
        try:
            return dumps(parameter).decode("utf-8")
        except (TypeError, ValueError, RecursionError) as problem:
            raise Invalid(f"parameter {number} is not JSON: {problem}") from problem
    raise Invalid(f"parameter {number} is a {type(parameter).__name__}, which no database takes")


def lowered(host: Any, values: Sequence[SqlValue]) -> list[Any]:
    """Plain values as the bindings' own."""
    cases = {bool: "Boolean", int: "Integer", float: "Float", bytes: "Bytes"}
    made = []
    for value in values:
        if value is None:
            made.append(host.Value_Null())
        else:
            kind = next((kind for kind in cases if isinstance(value, kind)), None)
            case = cases[kind] if kind else "Text"
            made.append(getattr(host, f"Value_{case}")(value))
    return made


def read_value(value: Any) -> SqlValue:
    """A value of a row."""
    found: SqlValue = getattr(value, "value", None)
    return found


RowRead = Callable[[dict[str, SqlValue]], Any]
Read = Callable[[Any, str], Any]


def row_reader(wanted: Any) -> RowRead:
    """What reads a row, by the names of its columns, as a type."""
    if wanted is Any or wanted is dict:
        return lambda row: row
    if typing.is_typeddict(wanted):
        hints = typing.get_type_hints(wanted)
        return _record({name: (_value(hint), name in wanted.__required_keys__) for name, hint in hints.items()}, dict)
    if isinstance(wanted, type) and dataclasses.is_dataclass(wanted):
        hints = typing.get_type_hints(wanted)
        absent = dataclasses.MISSING
        known = [field for field in dataclasses.fields(wanted) if field.init]
        return _record(
            {
                field.name: (_value(hints[field.name]), field.default is absent and field.default_factory is absent)
                for field in known
            },
            lambda values: wanted(**values),
        )
    read = _value(wanted)

    def only(row: dict[str, SqlValue]) -> Any:
        if len(row) != 1:
            raise Unfit(f"there are {len(row)} columns: read them into a dataclass or a dict")
        ((name, value),) = row.items()
        return read(value, name)

    return only


def _record(fields: dict[str, tuple[Read, bool]], make: Callable[[dict[str, Any]], Any]) -> RowRead:
    def read(row: dict[str, SqlValue]) -> Any:
        known = {}
        for name, (value, required) in fields.items():
            if name in row:
                known[name] = value(row[name], name)
            elif required:
                raise Unfit(f"there is no column `{name}`")
        try:
            return make(known)
        except Unfit:
            raise
        except ValueError as problem:  # by a check of the class's own
            raise Unfit(str(problem)) from problem

    return read


def _value(wanted: Any) -> Read:
    """What reads one value as a type."""
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin is typing.Annotated:
        return _value(arguments[0])
    if origin in (typing.Required, typing.NotRequired):
        return _value(arguments[0])
    if origin in (Union, types.UnionType) and types.NoneType in arguments:
        others = [argument for argument in arguments if argument is not types.NoneType]
        read = _value(others[0] if len(others) == 1 else Union[tuple(others)])  # noqa: UP007
        return lambda value, at: None if value is None else read(value, at)
    if wanted is bytes:
        return _plain(bytes, "bytes")
    if wanted is bool:
        return lambda value, at: (
            value == 1 if value in (0, 1) and isinstance(value, int) else _unfit(value, at, "a boolean")
        )
    if wanted in (datetime, date, time):
        return _text(wanted.fromisoformat, wanted.__name__)
    if isinstance(wanted, type) and (wanted.__module__, wanted.__qualname__) in _BY_NAME:
        return _text(wanted, wanted.__name__)
    bare = origin or wanted
    if bare in (list, dict, Sequence, Mapping) or typing.is_typeddict(wanted) or dataclasses.is_dataclass(wanted):
        read_json = reader_of(wanted)
        return lambda value, at: read_json(loads(value), at) if isinstance(value, str) else _unfit(value, at, "JSON")
    return reader_of(wanted)


def _plain(wanted: type, name: str) -> Read:
    return lambda value, at: value if isinstance(value, wanted) else _unfit(value, at, name)


def _text(make: Callable[[str], Any], name: str) -> Read:
    def read(value: Any, at: str) -> Any:
        try:
            # A decimal of a database that has none may come as a number.
            return make(str(value)) if isinstance(value, (str, int)) and not isinstance(value, bool) else make("")
        except (ValueError, ArithmeticError):
            return _unfit(value, at, f"text of a {name}")

    return read


def _unfit(value: Any, at: str, expected: str) -> Any:
    # The kind of value, and never the value: it may be nobody's business.
    kinds = {str: "text", bool: "a boolean", types.NoneType: "null", bytes: "bytes"}
    raise Unfit(f"`{at}`: expected {expected}, found {kinds.get(type(value), 'a number')}")
