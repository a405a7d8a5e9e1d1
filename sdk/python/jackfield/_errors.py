"""Failures: why an event was not handled, and whether trying again may help."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar


class Failure(Exception):
    """Why an event was not handled.

    Any exception that a handler does not catch fails the run, and the run is tried again. Raise this one to say
    more: whether another attempt may succeed, and when.

    Do not put secrets in the text: it is stored with the run.
    """

    kind: ClassVar[str | None] = "Error"
    """The name of failures of this class; a class of your own is named like itself."""
    tried_again: ClassVar[bool] = True
    """Whether a failure of this class is worth another attempt, unless it says otherwise itself."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "kind" not in cls.__dict__:
            cls.kind = None

    def __init__(
        self,
        message: str,
        *,
        name: str | None = None,
        retryable: bool | None = None,
        retry_after: float | timedelta | None = None,
    ) -> None:
        """
        :param message: one sentence for a person
        :param name: what equal failures are grouped by: a short constant
        :param retryable: whether a later attempt may succeed; if not, the run goes to the dead letters at once
        :param retry_after: seconds before which not to try again; makes it retryable
        """
        super().__init__(message)
        self.message = message
        self.name: str = name or type(self).kind or name_of(type(self))
        if retry_after is not None and retryable is None:
            retryable = True
        self.retryable: bool = type(self).tried_again if retryable is None else retryable
        if isinstance(retry_after, timedelta):
            retry_after = retry_after.total_seconds()
        # A final failure has no delay.
        self.retry_after: float | None = retry_after if self.retryable else None

    def __str__(self) -> str:
        return self.message


class Rejected(Failure):
    """The event itself is wrong and no later attempt can succeed: it goes to the dead letters at once.

    The text is for the operator; a waiting caller does not see it.
    """

    kind = "rejected"
    tried_again = False


class AccessDenied(Failure):
    """The manifest does not grant the call. The message holds the line to add."""

    kind = "access-denied"
    tried_again = False


class Invalid(Failure):
    """The call cannot be made as it is: a URL, a header, a key, a limit."""

    kind = "invalid"
    tried_again = False


class Unavailable(Failure):
    """The other side, or the host's store, does not answer; nothing was changed."""

    kind = "unavailable"


class Timeout(Failure):
    """No answer in time, to a call that may safely be made again."""

    kind = "timeout"


class InDoubt(Failure):
    """Sent and not answered: the call may have been carried out.

    If the attempt fails after this, the run waits for a person's decision.
    """

    kind = "in-doubt"


class TooLarge(Failure):
    """A request or a response body is larger than its limit."""

    kind = "too-large"
    tried_again = False


class Quota(Failure):
    """The integration's quota is used up."""

    kind = "quota"


class Conflict(Failure):
    """Others changed the same at the same time, or not as much was changed as was expected; trying again may help."""

    kind = "conflict"


class Refused(Failure):
    """The broker, the storage or the mail server refused it, and will refuse it again."""

    kind = "refused"
    tried_again = False


class DatabaseError(Failure):
    """The database refused the statement."""

    kind = "database"

    def __init__(self, message: str, code: str) -> None:
        # Connections, rollbacks, resources, locks, operators, the system: that may pass. A statement stays wrong.
        passes = code.startswith(("08", "40", "53", "55", "57", "58"))
        super().__init__(f"{message} ({code})" if code else message, retryable=passes)
        self.code = code
        """SQLSTATE, such as `23505` for a value that must be unique; empty if the database has none."""


class HttpStatus(Failure):
    """The other side answered with this status; see `Response.error_for_status`."""

    kind = "http-status"

    def __init__(self, message: str, status: int, *, retry_after: float | None = None) -> None:
        passes = worth_another_attempt(status)
        super().__init__(message, retryable=passes, retry_after=retry_after)
        self.status = status


def name_of(kind: type[BaseException]) -> str:
    """A class's name; half of all libraries call theirs `Error`, so that theirs is told with the library."""
    name = kind.__qualname__.rpartition(".<locals>.")[2]
    return f"{kind.__module__.partition('.')[0]}.{name}" if name == "Error" else name


def worth_another_attempt(status: int) -> bool:
    """Whether a status may be another one later: "too early", "too many", "took too long" and breakdowns pass."""
    return status in (408, 425, 429) or status >= 500
