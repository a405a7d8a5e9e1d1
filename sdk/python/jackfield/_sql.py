"""Statements on databases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

from ._data import Unfit
from ._errors import Failure, Invalid
from ._host import call, interface
from ._values import SqlValue, lowered, lowest, read_value, row_reader

T = TypeVar("T")


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    name: str
    type_name: str
    """The database's own name of the type, such as `timestamptz`."""


@dataclass(frozen=True)
class Change:
    """What a statement did."""

    rows: int
    """How many rows it changed."""
    last_id: int | None
    """The key that the database gave to the last inserted row, where it says so (MySQL, SQLite). Elsewhere use
    `returning` with `Sql.query`."""


@dataclass(frozen=True)
class Table(Generic[T]):
    """The rows that a statement returned; a `for` takes them one by one."""

    rows: list[T]
    columns: list[Column]

    def __iter__(self) -> Iterator[T]:
        """The rows, in order."""
        return iter(self.rows)

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.rows)

    def first(self) -> T | None:
        """The first row, or None if there are no rows."""
        return self.rows[0] if self.rows else None


class Sql:
    """Statements on database connections of the manifest. Parameters go apart from the text, which has the placeholders
    of the database: `$1` in PostgreSQL, `?` elsewhere.

    A parameter is None, a bool, an int, a float, text, bytes, a date or a time, a `Decimal`, a `UUID`, an enum, or a
    list, a dict or a dataclass, which is written as JSON.

    No transaction stays open between calls: what belongs together goes into one `batch`. What changed something and
    succeeded is not done again: a run that is tried again gets the recorded answer.

    A statement that the database refuses raises `DatabaseError`, whose `code` is the SQLSTATE.
    """

    @overload
    def query(self, connection: str, text: str, parameters: Sequence[object] = ()) -> Table[dict[str, SqlValue]]: ...
    @overload
    def query(self, connection: str, text: str, parameters: Sequence[object], wanted: type[T]) -> Table[T]: ...
    def query(self, connection: str, text: str, parameters: Sequence[object] = (), wanted: Any = Any) -> Table[Any]:
        """Runs one statement and returns its rows: at most 10,000 and 4 MiB, unless the manifest says otherwise.

        A row is a dict by the names of the columns. With `wanted` it is made a dataclass or a `TypedDict`; any other
        type takes the only column. Decimals, dates, times, UUIDs and JSON are text, unless the type wants a `Decimal`,
        a `datetime`, a `date`, a `time`, a `UUID`, a list, a dict or a dataclass. A `bool` takes 0 and 1 too.
        """
        read = row_reader(wanted)
        host = interface("sql")
        raw = call(None, host.query, connection, _statement(host, text, parameters))
        columns = [Column(column.name, column.type_name) for column in raw.columns]
        names = [column.name for column in columns]
        rows = [_row(read, names, row, number) for number, row in enumerate(raw.rows, 1)]
        return Table(rows, columns)

    def execute(self, connection: str, text: str, parameters: Sequence[object] = ()) -> Change:
        """Runs one statement for its effect."""
        host = interface("sql")
        raw = call(None, host.execute, connection, _statement(host, text, parameters))
        return Change(raw.rows, raw.last_id)

    def batch(self, connection: str) -> SqlBatch:
        """Begins a batch: all its statements are done, or none."""
        return SqlBatch(connection)


class SqlBatch:
    """Statements that are done together, in one transaction. At most 100. Nothing happens before `commit`."""

    def __init__(self, connection: str) -> None:
        self._connection = connection
        self._steps: list[tuple[str, list[Any], int | None]] = []

    def execute(self, text: str, parameters: Sequence[object] = (), *, expect_rows: int | None = None) -> SqlBatch:
        """Adds a statement. If it changes another number of rows than expected, the whole batch is undone and
        `Conflict` is raised."""
        if expect_rows is not None and not 0 <= expect_rows < 2**32:
            raise Invalid(f"expect_rows is a number of rows, not {expect_rows}")
        self._steps.append((text, lowest(parameters), expect_rows))
        return self

    def commit(self) -> list[Change]:
        """Does all statements in order, or none. What each of them did, in their order."""
        host = interface("sql")
        steps = [
            host.Step(host.Statement(text, lowered(host, parameters)), expect_rows)
            for text, parameters, expect_rows in self._steps
        ]
        changes = call(None, host.batch, self._connection, steps)
        return [Change(change.rows, change.last_id) for change in changes]


def _statement(host: Any, text: str, parameters: Sequence[object]) -> Any:
    return host.Statement(text, lowered(host, lowest(parameters)))


def _row(read: Any, names: list[str], row: list[Any], number: int) -> Any:
    try:
        return read(dict(zip(names, map(read_value, row), strict=True)))
    except Unfit as problem:
        raise Failure(f"row {number} is not as expected: {problem}", name="answer") from None
