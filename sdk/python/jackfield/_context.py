"""The context: what a handler reaches the world by."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from ._blob import Blob
from ._config import Config
from ._email import Email
from ._events import Events
from ._host import interface
from ._http import Http
from ._kv import Kv
from ._messaging import Messaging
from ._sql import Sql


@dataclass(frozen=True)
class RunInfo:
    """One run: one event, handled until it succeeds or is given up."""

    id: str
    """The run's id, the same for all its attempts."""
    attempt: int
    """1 for the first attempt. For logs: a handler whose calls depend on it asks for something else when it is
    tried again, and is stopped for it."""
    idempotency_key: str
    """The same for every attempt of a run, different for every run. Pass it on to services that accept an
    idempotency key. (The host gives every POST and PATCH one of its own.)"""
    trigger: str
    """The trigger's name in the manifest."""
    integration: str
    """The integration's name in the manifest."""
    environment: str
    """The environment, such as `prod`."""
    component: str
    """The component's name in the manifest."""
    version: int
    """The integration's version."""
    deadline: str
    """When the host stops this attempt, RFC 3339 in UTC. For logs, like `attempt`; to decide, use
    `Context.remaining_ms`."""
    traceparent: str | None
    """W3C trace context of this attempt. The host sends it by itself with http calls."""


@dataclass
class Context:
    """What a handler reaches the world by. What it may use of it is granted in the manifest."""

    http: Http = field(default_factory=Http)
    """Calls to other systems."""
    kv: Kv = field(default_factory=Kv)
    """Keys and values that outlive the run."""
    config: Config = field(default_factory=Config)
    """Settings of the integration in its environment."""
    events: Events = field(default_factory=Events)
    """New events, for whoever listens."""
    sql: Sql = field(default_factory=Sql)
    """Statements on databases."""
    messaging: Messaging = field(default_factory=Messaging)
    """Messages to brokers."""
    blob: Blob = field(default_factory=Blob)
    """Named objects in storage."""
    email: Email = field(default_factory=Email)
    """Mail."""

    def run(self) -> RunInfo:
        """The run this call belongs to."""
        raw = interface("run").current()
        return RunInfo(**{known.name: getattr(raw, known.name) for known in fields(RunInfo)})

    def remaining_ms(self) -> int:
        """How long the host lets this attempt go on; 0 once its time is over or the run was cancelled, so that a
        long loop can stop early and in order."""
        left: int = interface("run").remaining_ms()
        return left
