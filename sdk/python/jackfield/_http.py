"""HTTP calls to other systems. Credentials are the host's: a handler never sees one."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypedDict, TypeVar, Unpack, overload

from ._data import Unfit, dumps, reader
from ._errors import Failure, HttpStatus, Invalid
from ._event import Attributes
from ._host import call, interface
from ._output import Pairs, pairs

T = TypeVar("T")
Query = Mapping[str, object] | Iterable[tuple[str, object]]
"""Names and values; as pairs a name may occur more than once. None leaves a name out."""


class Options(TypedDict, total=False):
    """What a request may say besides its method and place."""

    query: Query
    """Added to the query, percent-encoded, in this order."""
    headers: Pairs
    """The headers of the credential, `host`, `content-length` and `connection` are the host's: setting one makes
    the request invalid."""
    json: object
    """The body as JSON, with its content type, if none is set."""
    form: Pairs
    """The body as a form sends it, with its content type, if none is set."""
    multipart: Iterable[Part]
    """The body as a form with files sends it, `multipart/form-data`, with its content type."""
    body: bytes | str
    """The body. Say what it is with a `content-type` header."""
    timeout_ms: int
    """How long to wait for the whole response. Otherwise the connection's own limit holds."""
    max_redirects: int
    """How many redirects to follow: GET and HEAD only, and never more than the grant allows. Otherwise the redirect
    itself is the response."""


@dataclass(frozen=True)
class Part:
    """A field of a form with files."""

    name: str
    """The field's name."""
    data: bytes | str
    file_name: str | None = None
    """What a file is called."""
    content_type: str | None = None
    """Its media type; `application/octet-stream` for a file, if nobody says."""


class Http:
    """Calls to other systems over HTTP. Bodies are held in memory, 4 MiB unless the manifest says otherwise.

    A call names a connection of the manifest and a path below its base URL; the host adds the credential. The
    `…_url` functions take an absolute URL instead: it must lie below a granted connection or a granted URL. A
    request that changed something and succeeded is never made again: a run that is tried again gets the recorded
    response.

    When there is no response, the exception says why: `AccessDenied`, `Invalid`, `Unavailable`, `Timeout`,
    `InDoubt`, `TooLarge`. A response of status 400 or above is not an exception, unless
    `Response.error_for_status` makes it one.
    """

    def get(self, connection: str, path: str, **options: Unpack[Options]) -> Response:
        """A GET of `path`, which starts with `/`, on a connection."""
        return _send("GET", connection, path, options)

    def head(self, connection: str, path: str, **options: Unpack[Options]) -> Response:
        """A HEAD of `path` on a connection."""
        return _send("HEAD", connection, path, options)

    def post(self, connection: str, path: str, **options: Unpack[Options]) -> Response:
        """A POST of `path` on a connection."""
        return _send("POST", connection, path, options)

    def put(self, connection: str, path: str, **options: Unpack[Options]) -> Response:
        """A PUT of `path` on a connection."""
        return _send("PUT", connection, path, options)

    def patch(self, connection: str, path: str, **options: Unpack[Options]) -> Response:
        """A PATCH of `path` on a connection."""
        return _send("PATCH", connection, path, options)

    def delete(self, connection: str, path: str, **options: Unpack[Options]) -> Response:
        """A DELETE of `path` on a connection."""
        return _send("DELETE", connection, path, options)

    def request(self, method: str, connection: str, path: str, **options: Unpack[Options]) -> Response:
        """A request with any method, in capitals."""
        return _send(method, connection, path, options)

    def get_url(self, url: str, **options: Unpack[Options]) -> Response:
        """A GET of an absolute URL."""
        return _send("GET", None, url, options)

    def head_url(self, url: str, **options: Unpack[Options]) -> Response:
        """A HEAD of an absolute URL."""
        return _send("HEAD", None, url, options)

    def post_url(self, url: str, **options: Unpack[Options]) -> Response:
        """A POST of an absolute URL."""
        return _send("POST", None, url, options)

    def put_url(self, url: str, **options: Unpack[Options]) -> Response:
        """A PUT of an absolute URL."""
        return _send("PUT", None, url, options)

    def patch_url(self, url: str, **options: Unpack[Options]) -> Response:
        """A PATCH of an absolute URL."""
        return _send("PATCH", None, url, options)

    def delete_url(self, url: str, **options: Unpack[Options]) -> Response:
        """A DELETE of an absolute URL."""
        return _send("DELETE", None, url, options)

    def request_url(self, method: str, url: str, **options: Unpack[Options]) -> Response:
        """A request to an absolute URL with any method, in capitals."""
        return _send(method, None, url, options)


@dataclass
class Response:
    """A whole response."""

    status: int
    headers: Attributes = field(default_factory=Attributes)
    """Names in lower case."""
    body: builtins.bytes = b""
    """Decoded, if it came compressed."""
    what: str = "the request"
    """What was asked for, for messages."""

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        return self.headers.get(name)

    @property
    def is_success(self) -> bool:
        """Whether the status is 200 to 299."""
        return 200 <= self.status < 300

    @overload
    def json(self) -> Any: ...
    @overload
    def json(self, wanted: type[T]) -> T: ...
    def json(self, wanted: Any = Any) -> Any:
        """The body, read as JSON, and made a dataclass or another type if one is given."""
        read = reader(wanted)
        try:
            return read(self.body)
        except Unfit as problem:
            raise Failure(f"{self.what}: the answer is not as expected: {problem}", name="answer") from None

    def text(self) -> str:
        """The body as text; bytes that are not UTF-8 are replaced."""
        return self.body.decode("utf-8", "replace")

    def bytes(self) -> builtins.bytes:
        """The body as it is."""
        return self.body

    def error_for_status(self) -> Response:
        """Raises `HttpStatus` for any status but 200 to 299, with the begin of the body.

        Worth another attempt are 5xx, 408, 425 and 429; with `retry-after` not before that. Not worth it are other
        refusals: the other side will refuse them again.
        """
        if self.is_success:
            return self
        text = f"{self.what}: {self.status}"
        said = excerpt(self.body)
        if said:
            text = f"{text}: {said}"
        raise HttpStatus(text, self.status, retry_after=retry_after(self.headers))


def _send(method: str, connection: str | None, url: str, options: Options) -> Response:
    unknown = set(options) - Options.__optional_keys__
    if unknown:
        raise TypeError(f"a request takes no `{min(unknown)}`")
    headers = pairs(options.get("headers"))
    body = _body(options, headers)
    host = interface("http")
    what = f"{method} {connection} {_place(url)}" if connection is not None else f"{method} {_place(url)}"
    request = host.Request(
        connection=connection,
        method=method,
        url=with_query(url, options.get("query", ())),
        headers=headers,
        body=body,
        timeout_ms=_u32(options.get("timeout_ms")),
        max_redirects=_u32(options.get("max_redirects", 0)),
    )
    raw = call(what, host.send, request)
    return Response(raw.status, Attributes(raw.headers), raw.body, what)


def _body(options: Options, headers: list[tuple[str, str]]) -> bytes:
    """The body; what it is becomes a header, if none says so."""
    given = [name for name in ("json", "form", "multipart", "body") if name in options]
    if len(given) > 1:
        raise TypeError(f"a request has one body: `{given[0]}` or `{given[1]}`")
    if "json" in options:
        try:
            body = dumps(options["json"])
        except (TypeError, ValueError, RecursionError) as problem:
            raise Invalid(f"the body is not JSON: {problem}") from problem
        _content_type(headers, "application/json")
        return body
    if "form" in options:
        _content_type(headers, "application/x-www-form-urlencoded")
        return "&".join(f"{encode(name)}={encode(value)}" for name, value in pairs(options["form"])).encode("ascii")
    if "multipart" in options:
        body, boundary = _multipart(options["multipart"])
        _content_type(headers, f"multipart/form-data; boundary={boundary}")
        return body
    body_or_text = options.get("body", b"")
    return body_or_text.encode("utf-8") if isinstance(body_or_text, str) else bytes(body_or_text)


def _multipart(parts: Iterable[Part]) -> tuple[bytes, str]:
    """A body of parts, and the boundary between them."""
    made = []
    for part in parts:
        head = f'content-disposition: form-data; name="{_quoted(part.name)}"'
        content_type = part.content_type
        if part.file_name is not None:
            head += f'; filename="{_quoted(part.file_name)}"'
            content_type = content_type or "application/octet-stream"
        if content_type is not None:
            head += f"\r\ncontent-type: {_quoted(content_type)}"
        data = part.data.encode("utf-8") if isinstance(part.data, str) else bytes(part.data)
        made.append(f"{head}\r\n\r\n".encode() + data + b"\r\n")
    content = b"".join(made)
    # The same each time: a run that is tried again must ask for the same.
    number = 0
    while f"--jackfield-{number}".encode() in content:
        number += 1
    boundary = f"jackfield-{number}"
    line = f"--{boundary}".encode()
    return b"".join(line + b"\r\n" + part for part in made) + line + b"--\r\n", boundary


def _quoted(text: str) -> str:
    """As browsers write a name or the like in a header."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _content_type(headers: list[tuple[str, str]], content_type: str) -> None:
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("content-type", content_type))


def _u32(number: int | None) -> Any:
    return None if number is None else max(0, min(number, 2**32 - 1))


def _place(url: str) -> str:
    """What of a URL a message may tell: never its query, which may hold what is nobody's business."""
    return re.split("[?#]", url, maxsplit=1)[0]


def with_query(url: str, query: Query) -> str:
    """A URL with names and values added to its query."""
    for name, value in query.items() if isinstance(query, Mapping) else query:
        if value is not None:
            text = str(value).lower() if isinstance(value, bool) else str(value)
            url += f"{'&' if '?' in url else '?'}{encode(name)}={encode(text)}"
    return url


_MEANS_NOTHING = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def encode(text: str) -> str:
    """Percent-encodes for a query or a form: all but the characters that mean nothing there."""
    return "".join(chr(byte) if byte in _MEANS_NOTHING else f"%{byte:02X}" for byte in text.encode("utf-8"))


def excerpt(body: bytes) -> str:
    """The begin of a body that is text, on one line."""
    longest = 200
    try:
        line = " ".join(body.decode("utf-8").split())
    except UnicodeDecodeError:
        return ""
    return line if len(line) <= longest else f"{line[:longest]}…"


def retry_after(headers: Attributes) -> float | None:
    """How long the other side asks us to stay away, in seconds.

    A date is measured from the response's own date: the two clocks are then the same one.
    """
    value = (headers.get("retry-after") or "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:20])
    until, now = http_date(value), http_date((headers.get("date") or "").strip())
    return None if until is None or now is None else max(0.0, until - now)


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE = re.compile(r"[A-Z][a-z]{2}, (\d{2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT", re.ASCII)


def http_date(text: str) -> float | None:
    """Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`, the one form of date that is still sent."""
    match = _DATE.fullmatch(text)
    if match is None or match[2] not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(match[n]) for n in (1, 3, 4, 5, 6))
    try:
        when = datetime(year, _MONTHS.index(match[2]) + 1, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return when.timestamp()
