"""Log: what is said through the standard `logging` module, kept with the run."""

from __future__ import annotations

import logging
import sys

from ._errors import name_of
from ._host import State, interface
from ._stack import clean, message_of, stack_of

# What a record has of itself; all else was given as `extra`.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class HostHandler(logging.Handler):
    """Hands records on to the run's log, with their level and their `extra` as attributes."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one line."""
        try:
            message, attributes = line(record)
            if not State.running:
                # While the component is built: there is no run yet.
                print(f"{record.levelname.lower()}: {message}", file=sys.stderr)
                return
            host = interface("log")
            host.write(getattr(host.Level, level(record.levelno)), message, attributes)
        except RecursionError:
            raise
        except Exception:
            self.handleError(record)


def line(record: logging.LogRecord) -> tuple[str, list[tuple[str, str]]]:
    """A record's message and attributes."""
    attributes = [(clean(name), clean(_shown(value))) for name, value in vars(record).items() if name not in _OWN]
    if record.name != "root":
        attributes.append(("logger", record.name))
    raised = record.exc_info[1] if record.exc_info else None
    if raised is not None:
        attributes.append(("error", clean(f"{name_of(type(raised))}: {message_of(raised)}")))
        attributes.append(("stack", clean(stack_of(raised))))
    try:
        message = record.getMessage()
    except Exception as problem:
        # The arguments do not fit the text: better both than neither.
        message = f"{record.msg} {record.args!r} ({problem})"
    return clean(message), attributes


def _shown(value: object) -> str:
    """A value as the other languages' logs have it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def level(number: int) -> str:
    """The host's level for one of `logging`."""
    if number < logging.DEBUG:
        return "TRACE"
    if number < logging.INFO:
        return "DEBUG"
    if number < logging.WARNING:
        return "INFO"
    return "WARN" if number < logging.ERROR else "ERROR"


def install() -> None:
    """Sends every record to the host, which drops what is below the level set for the environment."""
    root = logging.getLogger()
    root.handlers[:] = [HostHandler()]
    root.setLevel(logging.NOTSET)
