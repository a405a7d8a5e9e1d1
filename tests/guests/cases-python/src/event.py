"""What comes in, and what goes out."""

from typing import Any

from jackfield import Context, Event, Output, Rejected
from told import args


def _text(event: Event[bytes]) -> str | None:
    """The data as text, if it is text."""
    try:
        return event.data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def attributes(_: Context, event: Event[bytes]) -> Any:
    """All that an event has."""
    return {
        "id": event.id,
        "source": event.source,
        "type": event.event_type,
        "subject": event.subject,
        "time": event.time,
        "content type": event.content_type,
        "schema": event.schema,
        "extensions": event.extensions,
        "method": event.meta.get("method"),
        "own header": event.meta.get("X-Own"),
        "data": _text(event),
    }


def data(_: Context, event: Event[bytes]) -> Any:
    """Data of every kind."""
    return {
        "length": len(event.data),
        "sum": sum(event.data),
        "text": _text(event),
        "content type": event.content_type,
        "subject": event.subject,
    }


def numbers(_: Context, event: Event[bytes]) -> Any:
    """Numbers of JSON, in and out again."""
    return args(event)


def output(_: Context, event: Event[bytes]) -> Output | None:
    """An output of the form that is asked for."""
    match args(event)["form"]:
        case "json":
            return Output.json({"text": "Zoë"})
        case "json with status and headers":
            headers = [("x-one", "1"), ("x-two", "a"), ("x-two", "b")]
            return Output.json([1, 2], status=201, headers=headers)
        case "text":
            return Output.text("Zoë \u2603")
        case "bytes":
            return Output.bytes(bytes([0, 128, 255]), "application/octet-stream")
        case "empty":
            return Output.empty(204)
        case "none":
            return None
        case other:
            raise Rejected(f"there is no form `{other}`")
