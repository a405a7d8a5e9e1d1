"""Handlers that go wrong."""

import asyncio
import logging
import sys
import time
from typing import Any

from jackfield import Context, Event, Failure, Rejected
from told import args


def rejected(_: Context, __: Event[bytes]) -> Any:
    """The event is wrong."""
    raise Rejected("the order has no number")


def final(_: Context, __: Event[bytes]) -> Any:
    """Trying again is no use."""
    raise Failure("there is no customer 7", name="no-such-customer", retryable=False)


def retried(_: Context, __: Event[bytes]) -> Any:
    """Trying again may help."""
    raise Failure("not today")


def retried_later(cx: Context, _: Event[bytes]) -> Any:
    """But not at once."""
    if cx.run().attempt == 1:
        raise Failure("not now", retry_after=0.9)
    return "the second attempt of `retried-later`"


class DamagedList(Exception):
    """An exception of the project's own."""


def cause(_: Context, __: Event[bytes]) -> Any:
    """An exception that another one led to."""
    try:
        _price()
    except ValueError as problem:
        raise DamagedList("the price list is damaged") from problem  # place: cause


def _price() -> None:
    raise ValueError("line 7 has no price")


def uncaught(_: Context, __: Event[bytes]) -> Any:
    """An exception of the language."""
    return _customer({})


def _customer(found: dict[str, str]) -> int:
    return len(found["name"])  # place: uncaught


def leave(_: Context, __: Event[bytes]) -> Any:
    """Ends the program."""
    sys.exit(3)


async def in_parallel(_: Context, __: Event[bytes]) -> Any:
    """Timers, and several things at the same time."""
    order: list[str] = []

    async def note(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        order.append(name)

    await asyncio.gather(note("slow", 1.2), note("quick", 0.4), note("at once", 0))
    return order


async def never(_: Context, __: Event[bytes]) -> Any:
    """Waits for what never comes."""
    await asyncio.Event().wait()


def out_of_time(_: Context, event: Event[bytes]) -> Any:
    """Goes on for too long."""
    if args(event)["how"] == "computing":
        while True:
            pass
    time.sleep(60)
    return "within"


def out_of_memory(_: Context, __: Event[bytes]) -> Any:
    """Takes too much."""
    kept = []
    while True:
        kept.append(b"\x01" * (1 << 20))


def over_budget(cx: Context, event: Event[bytes]) -> Any:
    """Asks or says too much."""
    if args(event)["how"] == "output":
        return "x" * 70_000
    for number in range(30):
        cx.kv.set(f"key-{number}", number)
    return "within"


def recursion(_: Context, __: Event[bytes]) -> Any:
    """Calls itself for ever."""
    return _deeper(1)


def _deeper(n: int) -> int:
    return _deeper(n + 1) + 1  # place: recursion


def cancelled(_: Context, __: Event[bytes]) -> Any:
    """Waits for its end; the line says that it began."""
    logging.info("waiting")
    time.sleep(15)
    return "was not cancelled"


def changes_its_mind(cx: Context, _: Event[bytes]) -> Any:
    """Asks for something else when it is tried again."""
    cx.http.post("outside", f"/attempt/{cx.run().attempt}")
    raise Failure("once more")


def forgets(cx: Context, _: Event[bytes]) -> Any:
    """Begins something, and does not wait for it."""

    async def forgotten() -> None:
        cx.http.post("outside", "/forgotten")

    forgotten().close()
    return "returned"
