"""The event loop of an async handler that uses `asyncio`.

Tasks, timers, events and queues work. There are no sockets, processes and threads to wait for: when nothing is ready
and no timer runs, nothing will ever be.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine
from typing import Any

from ._errors import Failure


def never_ready() -> Failure:
    """What a handler that waits for ever is told."""
    return Failure(
        "the handler awaits something that is never ready: nothing else runs that could bring it about",
        name="never-ready",
        retryable=False,
    )


class _Timers:
    """Stands where a loop waits for sockets: waits for its next timer."""

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise never_ready()
        if timeout > 0:
            time.sleep(timeout)
        return []


class Loop(asyncio.BaseEventLoop):
    """A loop of tasks and timers."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _Timers()

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody else could want to wake it."""


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Runs a handler to its end. What it started and does not await is cancelled then."""
    loop = Loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        # One that goes on all the same has had its chance.
        with contextlib.suppress(Failure):
            loop.run_until_complete(_ended(left))
        loop.close()


async def _ended(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
