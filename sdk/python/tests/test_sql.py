"""Statements, as a handler runs them."""

import enum
import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, TypedDict

from jackfield import AccessDenied, Change, Conflict, Context, DatabaseError, Failure, InDoubt, Invalid

from .host import HostTest, err, sql

LARGE = uuid.UUID("6f1f7c0e-8d2b-4a39-9a55-1b1f6d0c0d11")


class State(enum.Enum):
    """What an order is in."""

    NEW = "new"
    SENT = "sent"


@dataclass
class Order:
    """A row."""

    id: int
    customer: str | None
    paid: bool
    amount: Decimal | None = None
    placed: datetime | None = None
    items: list[str] = field(default_factory=list)
    state: State = State.NEW


class Pair(TypedDict, total=False):
    """A row of names that may be missing."""

    a: int
    b: bytes


def table(columns: list[str], *rows: list[Any]) -> Any:
    """What the host returns."""
    kinds = {bool: "Boolean", int: "Integer", float: "Float", str: "Text", bytes: "Bytes"}
    made = [
        [sql.Value_Null() if value is None else getattr(sql, f"Value_{kinds[type(value)]}")(value) for value in row]
        for row in rows
    ]
    return sql.Table([sql.Column(name, "int8") for name in columns], made)


class Asking(HostTest):
    """Through the context, with a host that answers as told."""

    def setUp(self) -> None:
        """The capability."""
        super().setUp()
        self.sql = Context().sql

    def rows(self, answer: Any, wanted: Any = Any) -> list[Any]:
        """The rows that a handler gets."""
        self.answers(sql, "query", answer)
        return self.sql.query("ledger", "select", [], wanted).rows

    def test_parameters_become_the_values_they_are(self) -> None:
        query = self.answers(sql, "query", table([]))
        when = datetime(2026, 1, 2, 3, 4, 5, 600, UTC)
        parameters = [
            *(None, True, 7, -(2**63), 2**63, 1.5, "Zoë \u2603", b"\x00\xff", bytearray(b"x")),
            *(when, date(2026, 1, 2), time(3, 4), Decimal("12.50"), LARGE, State.SENT),
            *([1, None], {"a": "ü"}, Order(1, None, False).items, (1, 2)),
        ]
        self.sql.query("ledger", "select $1", parameters)
        connection, statement = query.call_args.args
        self.assertEqual((connection, statement.text), ("ledger", "select $1"))
        told = [(type(value).__name__, getattr(value, "value", None)) for value in statement.parameters]
        self.assertEqual(
            told,
            [
                ("Value_Null", None),
                ("Value_Boolean", True),
                ("Value_Integer", 7),
                ("Value_Integer", -(2**63)),
                ("Value_Text", "9223372036854775808"),
                ("Value_Float", 1.5),
                ("Value_Text", "Zoë \u2603"),
                ("Value_Bytes", b"\x00\xff"),
                ("Value_Bytes", b"x"),
                ("Value_Text", "2026-01-02T03:04:05.000600+00:00"),
                ("Value_Text", "2026-01-02"),
                ("Value_Text", "03:04:00"),
                ("Value_Text", "12.50"),
                ("Value_Text", str(LARGE)),
                ("Value_Text", "sent"),
                ("Value_Text", "[1,null]"),
                ("Value_Text", '{"a":"ü"}'),
                ("Value_Text", "[]"),
                ("Value_Text", "[1,2]"),
            ],
        )

    def test_what_no_database_takes_is_told_before_it_is_sent(self) -> None:
        query = self.answers(sql, "query", table([]))
        with self.assertRaisesRegex(Invalid, "parameter 2 is a set, which no database takes"):
            self.sql.query("ledger", "select", [1, {1}])
        with self.assertRaisesRegex(Invalid, "parameter 1 is not JSON"):
            self.sql.query("ledger", "select", [[float("nan")]])
        with self.assertRaisesRegex(Invalid, "parameters are a list"):
            self.sql.query("ledger", "select", "abc")
        with self.assertRaises(Invalid):
            self.sql.batch("ledger").execute("update", expect_rows=-1)
        query.assert_not_called()

    def test_rows_are_dicts(self) -> None:
        names = ["id", "large", "ratio", "name", "paid", "raw", "none"]
        self.answers(sql, "query", table(names, [1, 2**63 - 1, 0.5, "12.50", False, b"\x00", None]))
        found = self.sql.query("ledger", "select")
        self.assertEqual(
            list(found), [dict(zip(names, [1, 2**63 - 1, 0.5, "12.50", False, b"\x00", None], strict=True))]
        )
        self.assertEqual((len(found), found.columns[0].name, found.columns[0].type_name), (1, "id", "int8"))
        self.answers(sql, "query", table(names))
        self.assertIsNone(self.sql.query("ledger", "select").first())

    def test_rows_become_the_type_that_is_asked_for(self) -> None:
        names = ["id", "customer", "paid", "amount", "placed", "items", "state", "more"]
        rows: list[list[Any]] = [
            [1, "Zoë", True, "12.50", "2026-01-02 03:04:05+00", '["a"]', "sent", 1],
            [2, None, 0, None, None, "[]", "new", None],
        ]
        placed = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        self.assertEqual(
            self.rows(table(names, *rows), Order),
            [Order(1, "Zoë", True, Decimal("12.50"), placed, ["a"], State.SENT), Order(2, None, False)],
        )
        self.assertEqual(self.rows(table(["a", "b"], [1, b"x"]), Pair), [{"a": 1, "b": b"x"}])
        self.assertEqual(self.rows(table(["a"], [1]), Pair), [{"a": 1}])
        self.assertEqual(self.rows(table(["n"], [3], [4]), int), [3, 4])
        self.assertEqual(self.rows(table(["n"], [None]), int | None), [None])
        self.assertEqual(self.rows(table(["n"], [str(LARGE)]), uuid.UUID), [LARGE])

    def test_what_does_not_fit_is_told_by_row_and_column(self) -> None:
        for answer, wanted, text in (
            (table(["n"], [1], ["x"]), int, "row 2 is not as expected: `n`: expected a whole number, found text"),
            (table(["n"], [2]), bool, "row 1 is not as expected: `n`: expected a boolean, found a number"),
            (table(["n"], [None]), bytes, "row 1 is not as expected: `n`: expected bytes, found null"),
            (table(["n"], ["x"]), Decimal, "row 1 is not as expected: `n`: expected text of a Decimal, found text"),
            (
                table(["n"], [True]),
                datetime,
                "row 1 is not as expected: `n`: expected text of a datetime, found a boolean",
            ),
            (table(["id"], [1]), Order, "row 1 is not as expected: there is no column `customer`"),
            (
                table(["a", "b"], [1, 2]),
                int,
                "row 1 is not as expected: there are 2 columns: read them into a dataclass or a dict",
            ),
        ):
            with self.subTest(text), self.assertRaises(Failure) as caught:
                self.rows(answer, wanted)
            self.assertEqual((caught.exception.name, caught.exception.message), ("answer", text))

    def test_what_was_done_is_told_by_one_statement_or_by_a_batch(self) -> None:
        self.answers(sql, "execute", sql.Change(2, 7))
        self.assertEqual(self.sql.execute("ledger", "insert"), Change(2, 7))
        batch = self.answers(sql, "batch", [sql.Change(1, None), sql.Change(0, 2**60)])
        done = self.sql.batch("ledger").execute("insert", [1]).execute("update", expect_rows=0).commit()
        self.assertEqual(done, [Change(1, None), Change(0, 2**60)])
        connection, steps = batch.call_args.args
        self.assertEqual(connection, "ledger")
        told = [(step.statement.text, len(step.statement.parameters), step.expect_rows) for step in steps]
        self.assertEqual(told, [("insert", 1, None), ("update", 0, 0)])

    def test_every_refusal_keeps_its_kind_and_the_databases_code(self) -> None:
        for variant, wanted in (
            (sql.Error_AccessDenied("sql = [{}]"), AccessDenied),
            (sql.Error_Conflict("x"), Conflict),
            (sql.Error_InDoubt("x"), InDoubt),
        ):
            self.answers(sql, "execute", err(variant))
            with self.assertRaises(wanted):
                self.sql.execute("ledger", "insert")
        for code, text, retryable in (("23505", "no (23505)", False), ("57014", "no (57014)", True), ("", "no", False)):
            self.answers(sql, "execute", err(sql.Error_Database(sql.DatabaseError(code, "no"))))
            with self.assertRaises(DatabaseError) as caught:
                self.sql.execute("ledger", "insert")
            raised = caught.exception
            self.assertEqual(
                (raised.name, raised.code, str(raised), raised.retryable), ("database", code, text, retryable)
            )
