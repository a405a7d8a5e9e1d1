"""A fixture of the tests: fails in the way its event asks for."""

import sys
from dataclasses import dataclass
from typing import Literal

from jackfield import Event, handler


@dataclass
class Wish:
    """How to fail."""

    what: Literal["deep", "chained", "exit", "recursion"]


class Unhappy(Exception):
    """An exception of the project's own."""


def outer() -> None:
    """Calls what raises."""
    inner()


def inner() -> None:
    """Raises."""
    raise Unhappy("two functions deep")


def chained() -> None:
    """Raises one exception from another."""
    try:
        int("x")
    except ValueError as cause:
        raise Unhappy("no number") from cause


def recurse(depth: int) -> int:
    """Calls itself for ever."""
    return recurse(depth + 1) + 1


@handler
def fail(event: Event[Wish]) -> None:
    """Fails as asked."""
    match event.data.what:
        case "deep":
            outer()
        case "chained":
            chained()
        case "exit":
            sys.exit(3)
        case "recursion":
            recurse(0)
