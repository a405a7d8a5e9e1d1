"""Data: JSON in and out, and from JSON the types that a handler asks for.

A type is looked at once, when the handler's module is imported, which is when the component is built: what
cannot be filled from JSON is told then and not by the first event.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any, Literal, Union, get_args, get_origin

Read = Callable[[Any, str], Any]
"""Makes of a JSON value, found at a place, what a type wants; raises `Unfit`."""


class Unfit(ValueError):
    """Data is not what a type wants."""


def reader(wanted: Any) -> Callable[[bytes], Any]:
    """What reads bytes as a type: `bytes` as they are, `None` whatever they are, all else from JSON."""
    if wanted is bytes:
        return bytes
    if wanted is None or wanted is types.NoneType:
        return lambda _: None
    read = _reader(wanted)
    return lambda data: read(loads(data), "")


def reader_of(wanted: Any) -> Read:
    """What reads a JSON value, found at a place, as a type."""
    return _reader(wanted)


def loads(data: bytes | str) -> Any:
    """JSON; no data at all reads like `null`."""
    if not data:
        return None
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        if _depth(text) > _DEEPEST:
            raise Unfit(f"it is not JSON that is read here: nested deeper than {_DEEPEST}")
        value = json.loads(text, parse_constant=_no_constant)
        if "\\u" in text:
            # Half of a pair is no character: nothing that goes out could hold it.
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        return value
    except UnicodeDecodeError as problem:
        raise Unfit(f"it is not UTF-8: {problem.reason} at byte {problem.start}") from None
    except UnicodeEncodeError:
        raise Unfit("it is not JSON: it holds half of a surrogate pair") from None
    except Unfit:
        raise
    except ValueError as problem:
        raise Unfit(f"it is not JSON: {problem}") from None


# Python's parser calls itself, and the stack that it does it on ends in a trap, which nobody can catch.
_DEEPEST = 128
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}


def _depth(text: str) -> int:
    """How deep lists and objects are in each other."""
    if text.count("[") + text.count("{") <= _DEEPEST:
        return 0
    brackets = re.sub(r"[^][{}]+", "", _STRING.sub("", text))
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)


def dumps(value: object) -> bytes:
    """JSON; dataclasses as objects. Raises `TypeError` or `ValueError`."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
    return text.encode("utf-8")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


# ── types ────────────────────────────────────────────────────────────────────────────────────────────────

_readers: dict[Any, Read] = {}


def _reader(wanted: Any) -> Read:
    """The reader of a type. A type may hold itself, so that a class's reader is found while it is made."""
    try:
        if wanted in _readers:
            return _readers[wanted]
    except TypeError:  # not hashable, such as an Annotated with a list
        return _make(wanted)
    if _is_record(wanted):
        made: list[Read] = []
        _readers[wanted] = lambda value, at: made[0](value, at)
        try:
            made.append(_make(wanted))
        except BaseException:
            del _readers[wanted]
            raise
        _readers[wanted] = made[0]
    else:
        _readers[wanted] = _make(wanted)
    return _readers[wanted]


def _is_record(wanted: Any) -> bool:
    return isinstance(wanted, type) and (dataclasses.is_dataclass(wanted) or typing.is_typeddict(wanted))


def _make(wanted: Any) -> Read:
    origin, arguments = get_origin(wanted), get_args(wanted)
    if wanted is Any or wanted is object:
        return lambda value, _: value
    if wanted in _PLAIN:
        return _PLAIN[wanted]
    if origin is typing.Annotated:
        return _reader(arguments[0])
    if origin in (Union, types.UnionType):
        return _one_of(arguments)
    if origin is Literal:
        return _literal(arguments)
    bare = origin or wanted
    if bare in (list, Sequence):
        return _list(_reader(arguments[0]) if arguments else _reader(Any))
    if bare in (dict, Mapping):
        if arguments and arguments[0] not in (str, Any):
            raise TypeError(f"{_told(wanted)} cannot be read from JSON: the keys of an object are text")
        return _dict(_reader(arguments[1]) if arguments else _reader(Any))
    if typing.is_typeddict(wanted):
        required: frozenset[str] = wanted.__required_keys__
        hints = typing.get_type_hints(wanted)
        return _record({name: (_reader(hint), name in required, hint) for name, hint in hints.items()}, dict)
    if isinstance(wanted, type) and dataclasses.is_dataclass(wanted):
        return _dataclass(wanted)
    if isinstance(wanted, type) and issubclass(wanted, enum.Enum):
        return _enum(wanted)
    if isinstance(wanted, typing.NewType):
        return _reader(wanted.__supertype__)
    raise TypeError(
        f"{_told(wanted)} cannot be read from JSON: take a dataclass, a TypedDict, dict, list, str, int, float,"
        " bool, an enum, a Literal, a union of these, or Any"
    )


def _plain_reader(wanted: type | tuple[type, ...], name: str) -> Read:
    def read(value: Any, at: str) -> Any:
        # In Python `True` is a number; in JSON it is not.
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            raise _unfit(value, at, name)
        return value

    return read


def _read_float(value: Any, at: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _unfit(value, at, "a number")
    try:
        return float(value)
    except OverflowError:
        raise _unfit(value, at, "a number that is not so large") from None


_PLAIN: dict[Any, Read] = {
    str: _plain_reader(str, "text"),
    int: _plain_reader(int, "a whole number"),
    float: _read_float,
    bool: _plain_reader(bool, "true or false"),
    None: _plain_reader(types.NoneType, "null"),
    types.NoneType: _plain_reader(types.NoneType, "null"),
}


def _list(item: Read) -> Read:
    def read(value: Any, at: str) -> list[Any]:
        if not isinstance(value, list):
            raise _unfit(value, at, "a list")
        return [item(element, f"{at}[{index}]") for index, element in enumerate(value)]

    return read


def _dict(item: Read) -> Read:
    def read(value: Any, at: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _unfit(value, at, "an object")
        return {name: item(element, _below(at, name)) for name, element in value.items()}

    return read


def _record(fields: dict[str, tuple[Read, bool, Any]], make: Callable[[dict[str, Any]], Any]) -> Read:
    """Fields by name: their readers, whether they must be there, their types. Others are ignored."""

    def read(value: Any, at: str) -> Any:
        if not isinstance(value, dict):
            raise _unfit(value, at, "an object")
        known: dict[str, Any] = {}
        for name, (item, required, hint) in fields.items():
            if name in value:
                known[name] = item(value[name], _below(at, name))
            elif required and not _takes_none(hint):
                raise Unfit(f"missing field `{_below(at, name)}`")
            elif required:
                known[name] = None
        try:
            return make(known)
        except Unfit:
            raise
        except ValueError as problem:  # by a check of the class's own
            raise Unfit(f"`{at}`: {problem}" if at else str(problem)) from problem

    return read


def _dataclass(wanted: Any) -> Read:
    try:
        hints = typing.get_type_hints(wanted)
    except NameError as problem:
        raise TypeError(f"{_told(wanted)} cannot be read from JSON: {problem}") from problem
    absent = dataclasses.MISSING
    fields = {
        field.name: (
            _reader(hints[field.name]),
            field.default is absent and field.default_factory is absent,
            hints[field.name],
        )
        for field in dataclasses.fields(wanted)
        if field.init
    }
    return _record(fields, lambda known: wanted(**known))


def _takes_none(hint: Any) -> bool:
    if get_origin(hint) in (Union, types.UnionType):
        return types.NoneType in get_args(hint)
    return hint is Any or hint is None or hint is types.NoneType


def _one_of(choices: Sequence[Any]) -> Read:
    readers = [_reader(choice) for choice in choices]
    # Of `X | None` only X has something to say about what does not fit.
    telling = [_reader(choice) for choice in choices if choice is not types.NoneType]
    names = " or ".join(_told(choice) for choice in choices)

    def read(value: Any, at: str) -> Any:
        for reader_of_choice in readers:
            try:
                return reader_of_choice(value, at)
            except Unfit:
                continue
        if len(telling) == 1:
            return telling[0](value, at)
        raise _unfit(value, at, names)

    return read


def _literal(choices: Sequence[Any]) -> Read:
    names = " or ".join(json.dumps(choice, default=str) for choice in choices)

    def read(value: Any, at: str) -> Any:
        for choice in choices:
            if type(choice) is type(value) and choice == value:
                return choice
        raise _unfit(value, at, names)

    return read


def _enum(wanted: type[enum.Enum]) -> Read:
    names = " or ".join(json.dumps(member.value, default=str) for member in wanted)

    def read(value: Any, at: str) -> enum.Enum:
        for member in wanted:
            if type(member.value) is type(value) and member.value == value:
                return member
        raise _unfit(value, at, names)

    return read


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────


def _below(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _told(wanted: Any) -> str:
    if wanted is types.NoneType:
        return "null"
    return wanted.__qualname__ if isinstance(wanted, type) and not get_args(wanted) else str(wanted)


def _unfit(value: Any, at: str, expected: str) -> Unfit:
    # The kind of value, and never the value: it may be nobody's business.
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false", types.NoneType: "null"}
    found = kinds.get(type(value), "a number")
    return Unfit(f"`{at}`: expected {expected}, found {found}" if at else f"expected {expected}, found {found}")
