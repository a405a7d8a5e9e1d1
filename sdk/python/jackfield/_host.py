"""The host: the interfaces of the world that the component was built for.

They are looked up when the component is built, because nothing can be imported later. What the
manifest grants is there, the rest is not; on a machine of yours nothing is. Whoever calls an interface
that is missing is told what to add to the manifest.
"""

from __future__ import annotations

import contextlib
import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ._errors import (
    AccessDenied,
    Conflict,
    DatabaseError,
    Failure,
    InDoubt,
    Invalid,
    Quota,
    Refused,
    Timeout,
    TooLarge,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Callable

# Manifest lines to edit, as the host itself proposes them.
_EXAMPLES = {
    "blob": 'blob = [{ connection = "invoices", prefix = "2026/" }]',
    "config": 'config = ["repository"]',
    "email": 'email = [{ connection = "mail", recipients = ["@example.com"] }]',
    "events": 'events = ["order.paid"]',
    "http": 'http = [{ connection = "github", methods = ["GET"], paths = ["/repos/**"] }]',
    "kv": 'kv = [{ prefix = "seen/" }]',
    "messaging": 'messaging = [{ connection = "events", actions = ["publish"], topics = ["orders.*"] }]',
    "sql": 'sql = [{ connection = "ledger", verbs = ["select"], tables = ["public.orders"] }]',
}
_KINDS: dict[str, type[Failure]] = {
    "AccessDenied": AccessDenied,
    "Invalid": Invalid,
    "Unavailable": Unavailable,
    "Timeout": Timeout,
    "InDoubt": InDoubt,
    "TooLarge": TooLarge,
    "Quota": Quota,
    "Conflict": Conflict,
    "Refused": Refused,
}


class State:
    """What is known of the component and its call."""

    component: str = "NAME"
    """The component's name in the manifest."""
    running: bool = False
    """Whether an event is being handled. While a component is built, the host does not answer."""


def _find(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(f"wit_world.imports.{name}")
    except ImportError:
        return None


_NAMES = (
    *("types", "run", "log", "config", "http", "kv", "events", "sql", "messaging", "blob", "email"),
    "program",
)
_interfaces = {name: _find(name) for name in _NAMES}
_err: Any = None
with contextlib.suppress(ImportError):
    _err = importlib.import_module("componentize_py_types").Err


def interface(name: str) -> Any:
    """The bindings of an interface, for a call or for its types."""
    if not State.running:
        raise Failure(
            f"`{name}` is asked while no event is handled: call the host inside the handler, not when its module is"
            " imported",
            name="no-event",
            retryable=False,
        )
    found = _interfaces[name]
    if found is None:
        raise AccessDenied(
            f"`{name}` is not granted: add to the manifest, under [component.{State.component}.grants],"
            f" for example {_EXAMPLES.get(name, name)}; then build again"
        )
    return found


def err(value: object) -> Exception:
    """What an export raises to answer with its error case."""
    raised: Exception = _err(value)
    return raised


def call(what: str | None, function: Callable[..., Any], *arguments: object) -> Any:
    """Calls the host; its error case becomes an exception of ours, its text begun with `what`."""
    try:
        return function(*arguments)
    except Exception as raised:
        # The bindings' own class, which exists only inside of a component.
        if _err is None or not isinstance(raised, _err):
            raise
        failure = failure_of(raised.value, what)
    raise failure


def failure_of(variant: Any, what: str | None) -> Failure:
    """The exception for a case of an interface's error, such as `Error_AccessDenied`."""
    if type(variant).__name__ == "Error_Database":
        refused = variant.value
        return DatabaseError(f"{what}: {refused.message}" if what else refused.message, refused.code)
    kind = _KINDS[type(variant).__name__.removeprefix("Error_")]
    return kind(f"{what}: {variant.value}" if what else str(variant.value))
