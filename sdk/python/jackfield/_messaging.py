"""Messages to brokers."""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypedDict, TypeVar, Unpack, overload

from ._data import Unfit, dumps, reader
from ._errors import Failure, Invalid
from ._event import Attributes
from ._host import call, interface
from ._output import Pairs, pairs

T = TypeVar("T")
_NOTHING: Any = object()


class Options(TypedDict, total=False):
    """What a message may say besides its topic and its data."""

    key: str | None
    """Messages with equal keys stay in order, where the broker can do so."""
    content_type: str | None
    """The media type of the data, where the usual one is not meant."""
    headers: Pairs
    """Headers."""


@dataclass(frozen=True)
class Message:
    """A message to be."""

    topic: str
    """Topic, subject or routing key, in the broker's own spelling."""
    data: object = _NOTHING
    """Its data: bytes as they are, anything else as JSON."""
    key: str | None = None
    """See `Options.key`."""
    content_type: str | None = None
    """See `Options.content_type`."""
    headers: Pairs = ()
    """See `Options.headers`."""


@dataclass
class Reply:
    """A reply to a message."""

    topic: str
    """The topic that it came on."""
    data: builtins.bytes = b""
    key: str | None = None
    content_type: str | None = None
    headers: Attributes = field(default_factory=Attributes)

    @overload
    def json(self) -> Any: ...
    @overload
    def json(self, wanted: type[T]) -> T: ...
    def json(self, wanted: Any = Any) -> Any:
        """The data, read as JSON, and made a dataclass or another type if one is given."""
        read = reader(wanted)
        try:
            return read(self.data)
        except Unfit as problem:
            raise Failure(f"the reply is not as expected: {problem}", name="answer") from None

    def text(self) -> str:
        """The data as text; bytes that are not UTF-8 are replaced."""
        return self.data.decode("utf-8", "replace")

    def bytes(self) -> builtins.bytes:
        """The data as it is."""
        return self.data


class Messaging:
    """Messages to broker connections of the manifest: NATS, Kafka, AMQP and so on. Messages are received by triggers.

    A message that was published is not published again by a run that is tried again.

    A topic that the broker does not know, or a message that it does not take, raises `Refused`. After `Unavailable`
    and `Timeout` a message may have been published.
    """

    def publish(self, connection: str, topic: str, data: object = _NOTHING, **options: Unpack[Options]) -> None:
        """Publishes a message, its data as JSON unless it is bytes, and waits until the broker has confirmed it."""
        self.publish_all(connection, [Message(topic, data, **options)])

    def publish_all(self, connection: str, messages: Iterable[Message]) -> None:
        """Publishes up to 100 messages in order and waits until the broker has confirmed them. After an exception the
        first ones may have been published."""
        host = interface("messaging")
        call(None, host.publish, connection, [_message(host, message) for message in messages])

    def request(
        self,
        connection: str,
        topic: str,
        data: object = _NOTHING,
        *,
        timeout_ms: int = 10_000,
        **options: Unpack[Options],
    ) -> Reply:
        """Publishes a message and waits for the reply to it, no longer than `timeout_ms`."""
        host = interface("messaging")
        limit = max(0, min(timeout_ms, 2**32 - 1))
        raw = call(None, host.request, connection, _message(host, Message(topic, data, **options)), limit)
        return Reply(raw.topic, raw.data, raw.key, raw.content_type, Attributes(raw.headers))


def _message(host: Any, message: Message) -> Any:
    content_type = message.content_type
    if message.data is _NOTHING:
        data = b""
    elif isinstance(message.data, bytes):
        data = message.data
    else:
        data = _json(message.data)
        content_type = content_type or "application/json"
    return host.Message(message.topic, message.key, content_type, pairs(message.headers), data)


def _json(value: object) -> bytes:
    try:
        return dumps(value)
    except (TypeError, ValueError, RecursionError) as problem:
        raise Invalid(f"the data is not JSON: {problem}") from problem
