"""JSON in and out, and the types that are filled from it."""

import enum
import unittest
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NewType, NotRequired, Optional, TypedDict

from jackfield._data import Unfit, dumps, reader


@dataclass
class Person:
    """Somebody."""

    name: str
    age: int | None
    friends: list["Person"] = field(default_factory=list)


class Color(enum.Enum):
    """A colour."""

    RED = "red"
    TWO = 2


class Record(TypedDict):
    """A record."""

    id: str
    note: NotRequired[str]


@dataclass
class All:
    """Every kind of field."""

    number: int = 0
    real: float = 0.0
    flag: bool = False
    kind: Literal["a", 1] = "a"
    color: Color = Color.RED
    by_name: dict[str, list[int]] = field(default_factory=dict)
    either: int | str = 0
    anything: Any = None
    records: list[Record] = field(default_factory=list)
    optional: Optional[Person] = None  # noqa: UP045
    annotated: Annotated[int, "more"] = 0


@dataclass
class Checked:
    """Checks itself."""

    port: int

    def __post_init__(self) -> None:
        """Refuses."""
        if self.port > 9:
            raise ValueError("port must be below 10")


class Reading(unittest.TestCase):
    """From JSON."""

    def unfit(self, wanted: Any, data: bytes, says: str) -> None:
        """Does not fit, and says so."""
        with self.assertRaises(Unfit) as caught:
            reader(wanted)(data)
        self.assertEqual(str(caught.exception), says)

    def test_a_dataclass_is_filled_and_what_it_does_not_know_ignored(self) -> None:
        data = b'{"name":"Ada","age":36,"friends":[{"name":"Bob"}],"more":1}'
        self.assertEqual(reader(Person)(data), Person("Ada", 36, [Person("Bob", None)]))

    def test_every_kind_of_field(self) -> None:
        data = (
            b'{"number":7,"real":1,"flag":true,"kind":1,"color":2,"by_name":{"x":[1]},"either":"s","anything":[null],'
            b'"records":[{"id":"1"},{"id":"2","note":"n"}],"optional":{"name":"Ada"},"annotated":3}'
        )
        got = reader(All)(data)
        self.assertEqual((got.number, got.real, got.flag, got.kind, got.color), (7, 1.0, True, 1, Color.TWO))
        self.assertIsInstance(got.real, float)
        self.assertEqual((got.by_name, got.either, got.anything), ({"x": [1]}, "s", [None]))
        self.assertEqual(got.records, [{"id": "1"}, {"id": "2", "note": "n"}])
        self.assertEqual((got.optional, got.annotated), (Person("Ada", None), 3))
        self.assertEqual(reader(All)(b"{}"), All())

    def test_what_does_not_fit_is_told_with_its_place_and_without_its_value(self) -> None:
        self.unfit(Person, b"{}", "missing field `name`")
        self.unfit(Person, b"[]", "expected an object, found a list")
        self.unfit(Person, b"", "expected an object, found null")
        self.unfit(Person, b'{"name":7}', "`name`: expected text, found a number")
        self.unfit(Person, b'{"name":"a","friends":[{"name":"b"},{}]}', "missing field `friends[1].name`")
        self.unfit(Person, b'{"name":"a","age":true}', "`age`: expected a whole number, found true or false")
        self.unfit(Person, b'{"name":"a","age":1.0}', "`age`: expected a whole number, found a number")
        self.unfit(All, b'{"by_name":{"x":["secret"]}}', "`by_name.x[0]`: expected a whole number, found text")
        self.unfit(All, b'{"either":null}', "`either`: expected int or str, found null")
        self.unfit(All, b'{"kind":true}', '`kind`: expected "a" or 1, found true or false')
        self.unfit(All, b'{"color":"blue"}', '`color`: expected "red" or 2, found text')
        self.unfit(All, b'{"optional":{"nme":1}}', "missing field `optional.name`")
        self.unfit(list[Checked], b'[{"port":1},{"port":10}]', "`[1]`: port must be below 10")

    def test_what_is_no_json_is_told(self) -> None:
        for bad in (b"no", b"{", b"\x00", b"NaN", b"[Infinity]", b"1e999x", b"\xef\xbb\xbf{}", b'"\xff"', b'"\\ud800"'):
            with self.assertRaises(Unfit, msg=bad):
                reader(Any)(bad)
        self.assertEqual(reader(Any)(b'"\\ud83d\\ude00"'), "\U0001f600")

    def test_nesting_has_an_end_which_strings_do_not_move(self) -> None:
        self.assertIsInstance(reader(Any)(b"[" * 128 + b"]" * 128), list)
        self.assertIsInstance(reader(Any)(b"[" + b",".join([b'["[[[\\"[",{}]'] * 500) + b"]"), list)
        for deep in (b"[" * 129 + b"]" * 129, b"[" * 100_000, b'["]]]]]]]]]]",' * 200 + b"]" * 200):
            with self.assertRaises(Unfit) as caught:
                reader(Any)(deep)
            self.assertIn("nested deeper than 128", str(caught.exception))

    def test_bytes_are_as_they_came_and_none_takes_anything(self) -> None:
        self.assertEqual(reader(bytes)(b"\xff"), b"\xff")
        self.assertIsNone(reader(None)(b"\xff"))
        self.assertIsNone(reader(Any)(b""))
        self.assertIsNone(reader(Person | None)(b""))
        self.assertEqual(reader(NewType("Name", str))(b'"x"'), "x")
        self.assertEqual(reader(dict)(b'{"a":1}'), {"a": 1})

    def test_a_type_that_cannot_be_read_is_told_at_once(self) -> None:
        @dataclass
        class Wrong:
            data: set[int]

        for wanted in (Wrong, complex, dict[int, str], list[bytes]):
            with self.assertRaises(TypeError, msg=wanted):
                reader(wanted)
            with self.assertRaises(TypeError, msg=wanted):
                reader(wanted)


class Writing(unittest.TestCase):
    """To JSON."""

    def test_dataclasses_and_text(self) -> None:
        self.assertEqual(
            dumps({"a": Person("Ädä", None), "c": Color.TWO}).decode(),
            '{"a":{"name":"Ädä","age":null,"friends":[]},"c":2}',
        )

    def test_what_json_has_not(self) -> None:
        for bad in (b"x", {1, 2}, float("nan"), object(), "\ud800"):
            with self.assertRaises((TypeError, ValueError), msg=bad):
                dumps(bad)
