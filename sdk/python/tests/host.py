"""A host for tests: an event is being handled, and functions of interfaces are what a test says."""

import unittest
from collections.abc import Callable
from types import ModuleType
from typing import Any
from unittest import mock

from jackfield import _host, _logging, _rt, _stack

types: Any = _host._interfaces["types"]
http: Any = _host._interfaces["http"]
kv: Any = _host._interfaces["kv"]
config: Any = _host._interfaces["config"]
events: Any = _host._interfaces["events"]
log: Any = _host._interfaces["log"]
run: Any = _host._interfaces["run"]
sql: Any = _host._interfaces["sql"]
messaging: Any = _host._interfaces["messaging"]
blob: Any = _host._interfaces["blob"]
email: Any = _host._interfaces["email"]


def raw(data: bytes = b"", **attributes: Any) -> Any:
    """An event as the host gives it."""
    known: dict[str, Any] = {"id": "1", "source": "/manual", "event_type": "jackfield.manual", "data": data}
    absent = dict.fromkeys(("subject", "time", "content_type", "schema"))
    return types.Event(**{**absent, "extensions": [], "meta": [], **known, **attributes})


def err(variant: Any) -> Exception:
    """What a function of the host raises for a case of its error."""
    return _host.err(variant)


class HostTest(unittest.TestCase):
    """A test while an event is handled."""

    def setUp(self) -> None:
        """Begins handling."""
        self.patch(_host.State, "running", True)
        self.patch(_stack.Paths, "known", [("/2/", "src/"), (str(_rt.__file__).replace("_rt.py", ""), None)])

    def patch(self, where: object, name: str, value: object) -> None:
        """Sets an attribute for the time of the test."""
        patched = mock.patch.object(where, name, value)
        patched.start()
        self.addCleanup(patched.stop)

    def answers(self, interface: ModuleType, name: str, answer: Callable[..., Any] | object) -> mock.Mock:
        """Makes a function of the host answer, or raise; the mock knows its calls."""
        made = mock.Mock(side_effect=answer if callable(answer) or isinstance(answer, BaseException) else None)
        if made.side_effect is None:
            made.return_value = answer
        self.patch(interface, name, made)
        return made


__all__ = [
    "HostTest",
    "_logging",
    "blob",
    "config",
    "email",
    "err",
    "events",
    "http",
    "kv",
    "log",
    "messaging",
    "raw",
    "run",
    "sql",
    "types",
]
