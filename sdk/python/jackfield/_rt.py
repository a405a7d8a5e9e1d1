"""What stands between the host's call and the handler: decoding, errors, the component's beginning.

Not for people, but for the module that `jackfield-build` writes: it may change in any version.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import typing
from collections.abc import Callable, Coroutine
from types import ModuleType
from typing import Any, TypeVar

from . import _logging, _program
from ._context import Context
from ._data import reader
from ._errors import Failure
from ._event import Event, read_event
from ._host import State, err, interface
from ._output import Output
from ._stack import Paths, failure_of

F = TypeVar("F", bound=Callable[..., Output | None | Coroutine[Any, Any, Output | None]])
_MARK = "__jackfield_handler__"
# Imported by the standard library when it is used, at which time nothing can be imported any more.
_LATE = (
    "_strptime",
    *(
        f"encodings.{name}"
        for name in ("ascii", "cp1252", "idna", "iso8859_15", "latin_1", "punycode", "raw_unicode_escape")
    ),
    *(f"encodings.{name}" for name in ("unicode_escape", "utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_8_sig")),
)


def handler(function: F) -> F:
    """Makes a function the handler of its module's component.

    It takes the event, and the context if it wants it. The event's type says what the data is to be::

        @handler
        def on_request(event: Event[FeatureRequest], cx: Context) -> Output | None: ...

    The function itself stays as it is, so that a test can call it.
    """
    setattr(function, _MARK, _prepare(function))
    return function


def _prepare(function: Callable[..., Any]) -> tuple[Callable[[bytes], Any], bool]:
    """How to read the data for a handler, and whether it takes the context."""
    name = function.__name__
    parameters = list(inspect.signature(function).parameters.values())
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if not 1 <= len(parameters) <= 2 or any(p.kind not in positional for p in parameters):
        raise TypeError(f"a handler takes the event, and the context if it wants it; `{name}` takes something else")
    try:
        hint = typing.get_type_hints(function, include_extras=True).get(parameters[0].name, Any)
    except NameError as problem:
        raise TypeError(f"the types of the handler `{name}` are not known when it is imported: {problem}") from problem
    if hint is Any or hint is Event:
        wanted: Any = Any
    elif typing.get_origin(hint) is Event:
        (wanted,) = typing.get_args(hint)
    else:
        raise TypeError(f"the first parameter of the handler `{name}` is an Event, such as `event: Event[dict]`")
    return reader(Any if isinstance(wanted, TypeVar) else wanted), len(parameters) == 2


def begin(component: str, paths: list[tuple[str, str | None]]) -> None:
    """Before the handler's module is imported."""
    State.component = component
    Paths.known = paths
    _logging.install()


def export(name: str, late: dict[str, list[str]]) -> type:
    """Imports the handler's module, and makes of its handler the class that the host calls.

    `late` names for each module what its functions import: that must be there already when they run.
    """
    function = _handler_of(importlib.import_module(name))
    _import_now(late)
    return _exported(lambda: function)


def export_program(name: str, imports: list[str], late: dict[str, list[str]]) -> type:
    """The same for a handler that comes beside the component. `imports`: what its modules import besides each other."""
    _import_now({"sys": imports})
    _import_now(late)
    found: list[Callable[..., Any]] = []

    def function() -> Callable[..., Any]:
        if not found:
            found.append(_handler_of(_program.load(bytes(interface("program").read()), name)))
        return found[0]

    return _exported(function)


def _exported(handler: Callable[[], Callable[..., Any]]) -> type:
    if "asyncio" in sys.modules:
        importlib.import_module("jackfield._loop")
    if "urllib.request" in sys.modules:
        importlib.import_module("jackfield._urllib").install()

    class Handler:
        def handle(self, event: Any) -> Any:
            State.running = True
            types = interface("types")
            if "random" in sys.modules:
                # Its state is as old as the component: every event would see the same numbers.
                sys.modules["random"].seed()
            try:
                return handle(handler(), event, types)
            except BaseException as raised:
                failure = failure_of(raised, types)
            raise err(failure)

    return Handler


def _handler_of(module: ModuleType) -> Callable[..., Any]:
    found = {id(value): value for value in vars(module).values() if hasattr(value, _MARK)}
    if len(found) != 1:
        names = ", ".join(f"`{value.__name__}`" for value in found.values())
        problem = (
            f"has {len(found)} handlers ({names}): keep one" if found else "has no handler: mark it with `@handler`"
        )
        raise TypeError(f"the module `{module.__name__}` {problem}")
    (function,) = found.values()
    return typing.cast("Callable[..., Any]", function)


def _import_now(late: dict[str, list[str]]) -> None:
    wanted = list(_LATE)
    for module, names in late.items():
        if module in sys.modules:
            wanted += names
    for name in wanted:
        try:
            importlib.import_module(name)
        except Exception:
            # Optional to whoever wanted it; if it is not, its import fails again and says so.
            continue


def handle(function: Callable[..., Any], raw: Any, types: Any) -> Any:
    """Calls a handler with an event as the host gave it."""
    read, takes_context = getattr(function, _MARK)
    event = read_event(raw, read)
    answer = function(event, Context()) if takes_context else function(event)
    if inspect.iscoroutine(answer):
        answer = run_to_end(answer)
    if answer is None:
        return None
    if not isinstance(answer, Output):
        raise Failure(
            f"the handler returned {type(answer).__name__}: return an Output, such as `Output.json(…)`, or None",
            name="TypeError",
            retryable=False,
        )
    return types.Output(
        status=answer.status, content_type=answer.content_type, headers=list(answer.headers), data=answer.data
    )


def run_to_end(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Drives an async handler. The host's functions answer before they return, so only timers and tasks ever wait."""
    if "asyncio" in sys.modules:
        return importlib.import_module("jackfield._loop").run(coroutine)
    try:
        while coroutine.send(None) is None:  # a bare yield, such as `asyncio.sleep(0)`
            pass
    except StopIteration as end:
        return end.value
    coroutine.close()
    raise Failure(
        "the handler awaits something that is never ready: without `asyncio` there is no event loop",
        name="never-ready",
        retryable=False,
    )
