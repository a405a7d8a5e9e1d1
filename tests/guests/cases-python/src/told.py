"""What every case needs: its arguments, and what went wrong."""

import json
from collections.abc import Callable
from typing import Any

from jackfield import Event, Failure


def told(call: Callable[..., object], *arguments: object, **options: Any) -> Any:
    """What went wrong with a call, for an answer."""
    try:
        call(*arguments, **options)
    except Failure as failure:
        return [failure.name, failure.message]
    return "done"


def args(event: Event[bytes]) -> Any:
    """The event's data as JSON."""
    return json.loads(event.data)
