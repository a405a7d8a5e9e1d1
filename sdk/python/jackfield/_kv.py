"""Keys and values that outlive the run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar, overload

from ._data import Unfit, dumps, reader
from ._errors import Failure, Invalid
from ._host import call, interface

T = TypeVar("T")
_PAGE = 1_000


@dataclass(frozen=True)
class Entry(Generic[T]):
    """A value and its version."""

    value: T
    version: str
    """Changes with every write of the key. Compare for equality only."""


class Kv:
    """Keys and values, kept across runs and versions: private to the integration in its environment, shared by
    its components.

    Values are written as JSON and read back as the type that is asked for; `bytes` reads, and `set_bytes`
    writes, the value as it is. Every call is atomic, and a write is not undone if the run fails afterwards. A run
    that is tried again does not write again.

    Limits: a key has 1 to 512 bytes and no control characters, a value at most 1 MiB.
    """

    def __init__(self, connection: str = "default") -> None:
        """The integration's own store, or another one by its connection in the manifest."""
        self._connection = connection

    def connection(self, name: str) -> Kv:
        """The same functions on another store, by its connection in the manifest."""
        return Kv(name)

    @overload
    def get(self, key: str) -> Any: ...
    @overload
    def get(self, key: str, wanted: type[T]) -> T | None: ...
    def get(self, key: str, wanted: Any = Any) -> Any:
        """The value of a key, or None if there is none or its time is over."""
        found = self.entry(key, wanted)
        return None if found is None else found.value

    @overload
    def entry(self, key: str) -> Entry[Any] | None: ...
    @overload
    def entry(self, key: str, wanted: type[T]) -> Entry[T] | None: ...
    def entry(self, key: str, wanted: Any = Any) -> Entry[Any] | None:
        """The value of a key with its version, for `compare_and_set`."""
        read = reader(wanted)
        found = call(None, interface("kv").get, self._connection, key)
        return None if found is None else Entry(_read(key, found, read), found.version)

    @overload
    def get_many(self, keys: Sequence[str]) -> list[Any]: ...
    @overload
    def get_many(self, keys: Sequence[str], wanted: type[T]) -> list[T | None]: ...
    def get_many(self, keys: Sequence[str], wanted: Any = Any) -> list[Any]:
        """The values of up to 100 keys, in their order, as they were at one moment."""
        read = reader(wanted)
        found = call(None, interface("kv").get_many, self._connection, list(keys))
        return [None if entry is None else _read(key, entry, read) for key, entry in zip(keys, found, strict=True)]

    def set(self, key: str, value: object, *, ttl: float | timedelta | None = None) -> None:
        """Writes a key; with `ttl` (seconds) it disappears after that time."""
        self._set(key, _json(value), ttl)

    def set_bytes(self, key: str, value: bytes, *, ttl: float | timedelta | None = None) -> None:
        """Writes bytes as they are."""
        self._set(key, value, ttl)

    def _set(self, key: str, value: bytes, ttl: float | timedelta | None) -> None:
        call(None, interface("kv").set, self._connection, key, value, _seconds(ttl))

    def remove(self, key: str) -> bool:
        """Removes a key. True if there was one."""
        there_was: bool = call(None, interface("kv").remove, self._connection, key)
        return there_was

    def increment(self, key: str, by: int = 1) -> int:
        """Adds to a counter and returns the sum. A missing key counts as 0."""
        _fits(by)
        total: int = call(None, interface("kv").increment, self._connection, key, by)
        return total

    def compare_and_set(
        self, key: str, version: str | None, value: object, *, ttl: float | timedelta | None = None
    ) -> bool:
        """Writes a key only if it still has `version`; with None, only if it does not exist. True if it was
        written."""
        return self._compare_and_set(key, version, _json(value), ttl)

    def compare_and_set_bytes(
        self, key: str, version: str | None, value: bytes, *, ttl: float | timedelta | None = None
    ) -> bool:
        """`compare_and_set` of bytes as they are."""
        return self._compare_and_set(key, version, value, ttl)

    def _compare_and_set(self, key: str, version: str | None, value: bytes, ttl: float | timedelta | None) -> bool:
        arguments = (self._connection, key, version, value, _seconds(ttl))
        written: bool = call(None, interface("kv").compare_and_set, *arguments)
        return written

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys that start with `prefix`, in ascending order, read page by page as they are asked for. Keys
        written meanwhile may be missing."""
        cursor: str | None = None
        while True:
            page = call(None, interface("kv").keys, self._connection, prefix, cursor, _PAGE)
            yield from page.keys
            cursor = page.next
            if cursor is None:
                return

    def batch(self) -> Batch:
        """Begins a batch: all its operations are carried out, or none."""
        return Batch(self._connection)


class Batch:
    """Operations that are carried out together. At most 100, and 4 MiB. Nothing happens before `commit`."""

    def __init__(self, connection: str) -> None:
        self._connection = connection
        self._operations: list[tuple[str, str, tuple[Any, ...]]] = []

    def set(self, key: str, value: object, *, ttl: float | timedelta | None = None) -> Batch:
        """Writes a key."""
        return self._add("Set", "Assignment", key, _json(value), _seconds(ttl))

    def set_bytes(self, key: str, value: bytes, *, ttl: float | timedelta | None = None) -> Batch:
        """Writes bytes as they are."""
        return self._add("Set", "Assignment", key, value, _seconds(ttl))

    def remove(self, key: str) -> Batch:
        """Removes a key. No error if there is none."""
        return self._add("Remove", "", key)

    def increment(self, key: str, by: int = 1) -> Batch:
        """Adds to a counter."""
        _fits(by)
        return self._add("Increment", "Addition", key, by)

    def check(self, key: str, version: str | None) -> Batch:
        """Goes on only if the key has this version; with None, only if it does not exist."""
        return self._add("Check", "Condition", key, version)

    def _add(self, case: str, record: str, *values: Any) -> Batch:
        self._operations.append((case, record, values))
        return self

    def commit(self) -> bool:
        """Carries out all operations in order, or none. True if done; False if a check did not hold."""
        host = interface("kv")
        operations = []
        for case, record, values in self._operations:
            payload = getattr(host, record)(*values) if record else values[0]
            operations.append(getattr(host, f"Operation_{case}")(payload))
        done: bool = call(None, host.batch, self._connection, operations)
        return done


def _read(key: str, entry: Any, read: Any) -> Any:
    try:
        return read(entry.value)
    except Unfit as problem:
        raise Failure(f"the value of `{key}` is not as expected: {problem}", name="stored-value") from None


def _json(value: object) -> bytes:
    try:
        return dumps(value)
    except (TypeError, ValueError, RecursionError) as problem:
        raise Invalid(f"the value is not JSON: {problem}") from problem


def _fits(by: int) -> None:
    if not -(2**63) <= by < 2**63:
        raise Invalid(f"{by} does not fit a counter of 64 bits")


def _seconds(time: float | timedelta | None) -> int | None:
    """Whole seconds, never fewer than asked for."""
    if time is None:
        return None
    if isinstance(time, timedelta):
        time = time.total_seconds()
    return max(0, min(math.ceil(time), 2**32 - 1))
