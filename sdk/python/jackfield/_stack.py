"""Stack: an exception as the run's failure, with the frames of the project and its libraries."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from types import CodeType, TracebackType
from typing import Any

from ._errors import Failure, Rejected, name_of, worth_another_attempt

_INNERMOST, _OUTERMOST = 40, 10
_LONGEST = 64 * 1024


class Paths:
    """Where files of the component were, when it was built: a folder in there, and what a person calls it."""

    known: list[tuple[str, str | None]] = []
    """Pairs of a folder and what stands for it; None for folders whose frames are nobody's business."""


def failure_of(raised: BaseException, types: Any) -> Any:
    """The case of the contract's `failure` that says what was raised."""
    failure = _telling(raised)
    if isinstance(failure, Rejected) and not failure.retryable:
        return types.Failure_Rejected(clean(failure.message))
    known = failure if isinstance(failure, Failure) else None
    delay = known.retry_after if known is not None and known.retryable else None
    info = types.ErrorInfo(
        name=clean(known.name if known is not None else name_of(type(failure))),
        message=clean(message_of(failure)),
        stack=clean(stack_of(raised))[:_LONGEST] or None,
        retryable=known.retryable if known is not None else _retryable(failure),
        retry_after_ms=None if delay is None else max(0, min(round(delay * 1000), 2**32 - 1)),
    )
    return types.Failure_Error(info)


def _telling(raised: BaseException) -> BaseException:
    """What `urllib.request` was told by the host stands behind its own exception."""
    reason = getattr(raised, "reason", None)
    return reason if isinstance(reason, Failure) and not isinstance(raised, Failure) else raised


def _retryable(raised: BaseException) -> bool:
    status = getattr(raised, "code", None)
    if type(raised).__module__ == "urllib.error" and isinstance(status, int):
        return worth_another_attempt(status)
    return True


def message_of(raised: BaseException) -> str:
    """One sentence: what was raised, then what it says it was raised from."""
    message = _text(raised)
    cause, seen = raised.__cause__, {id(raised)}
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        text = _text(cause)
        # Many libraries repeat the cause in their own text.
        if not message.endswith(text):
            message = f"{message}: {text}"
        cause = cause.__cause__
    return message


def _text(raised: BaseException) -> str:
    try:
        text = str(raised)
    except Exception:  # of a class whose author erred
        text = ""
    if isinstance(raised, SystemExit):
        return f"the handler ended the program with `sys.exit({text})`; return instead, or raise a Failure"
    if isinstance(raised, ModuleNotFoundError):
        text += " (modules are put into the component when it is built: import it at the top of a module)"
    if isinstance(raised, KeyError):
        return f"no key {text}"
    return text or type(raised).__name__


def stack_of(raised: BaseException) -> str:
    """The frames, innermost first and one a line; then those of what it was raised from, or while handling."""
    return "\n".join(_lines(raised, set()))


def _lines(raised: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(raised))
    yield from frames(raised.__traceback__)
    if isinstance(raised, BaseExceptionGroup):
        for part in raised.exceptions:
            yield f"with {name_of(type(part))}: {_text(part)}"
            yield from _lines(part, seen)
    cause, begins = raised.__cause__, "caused by"
    if cause is None and not raised.__suppress_context__:
        cause, begins = raised.__context__, "while handling"
    if cause is not None and id(cause) not in seen:
        yield f"{begins} {name_of(type(cause))}: {_text(cause)}"
        yield from _lines(cause, seen)


def frames(trace: TracebackType | None) -> list[str]:
    """`at deeper (src/handler.py:12)`, innermost first."""
    told: list[str] = []
    while trace is not None:
        place = place_of(trace.tb_frame.f_code)
        if place is not None:
            told.append(f"at {trace.tb_frame.f_code.co_qualname} ({place}:{trace.tb_lineno})")
        trace = trace.tb_next
    told = [line for same in _runs(reversed(told)) for line in same]
    if len(told) > _INNERMOST + _OUTERMOST:
        left_out = len(told) - _INNERMOST - _OUTERMOST
        told[_INNERMOST:-_OUTERMOST] = [f"… {left_out} frames …"]
    return told


def _runs(lines: Iterable[str]) -> Iterator[list[str]]:
    """What calls itself is told three times, and how often."""
    for line, group in itertools.groupby(lines):
        count = sum(1 for _ in group)
        yield [line] * min(count, 3) + ([f"… {count - 3} times more …"] if count > 3 else [])


def place_of(code: CodeType) -> str | None:
    """The file of a frame as a person knows it; None for the frames of the SDK and of the runtime."""
    file = code.co_filename
    for folder, known_as in Paths.known:
        if file.startswith(folder):
            return None if known_as is None else known_as + file[len(folder) :]
    return file


def clean(text: str) -> str:
    """What can be sent: halves of surrogate pairs are replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")
