"""urllib: `urllib.request.urlopen` of absolute URLs, by way of the host.

The URL must lie below a granted connection, whose credential the host then adds, or below a granted URL.
"""

from __future__ import annotations

import io
import urllib.error
import urllib.request
import urllib.response
from email.message import Message
from http.client import responses
from typing import Any

from ._errors import Failure
from ._http import Response, _send

# The host's own, or added by urllib itself.
_LEFT_OUT = frozenset({"host", "connection", "content-length", "transfer-encoding", "user-agent"})
_MOST_REDIRECTS = 10


class HostHandler(urllib.request.BaseHandler):
    """Sends requests through the host."""

    def http_open(self, request: urllib.request.Request) -> urllib.response.addinfourl:
        """Sends a request, and makes of the host's refusal what urllib calls one."""
        try:
            return _answer(request, _ask(request))
        except Failure as failure:
            raise urllib.error.URLError(failure) from failure

    https_open = http_open


def _ask(request: urllib.request.Request) -> Response:
    data: Any = request.data
    if data is not None and not isinstance(data, (bytes, bytearray)):
        data = data.read() if hasattr(data, "read") else b"".join(data)
    headers = [(name, value) for name, value in request.header_items() if name.lower() not in _LEFT_OUT]
    # A user agent of the handler's own is none that urllib added.
    agent = request.headers.get("User-agent")
    if agent is not None:
        headers.append(("user-agent", agent))
    if data and not request.has_header("Content-type"):
        headers.append(("content-type", "application/x-www-form-urlencoded"))
    url = f"{request.type}://{request.host}{request.selector}"
    # urllib follows redirects; the host does it, as far as the grant allows.
    options: Any = {"headers": headers, "body": data or b"", "max_redirects": _MOST_REDIRECTS}
    seconds = request.timeout
    if isinstance(seconds, (int, float)):
        options["timeout_ms"] = round(seconds * 1000)
    return _send(request.get_method(), None, url, options)


def _answer(request: urllib.request.Request, response: Response) -> urllib.response.addinfourl:
    headers = Message()
    for name, value in response.headers:
        headers[name] = value
    answer = urllib.response.addinfourl(io.BytesIO(response.body), headers, request.full_url, response.status)
    # As `http.client` has it.
    answer.msg = answer.reason = responses.get(response.status, "")  # type: ignore[attr-defined]
    return answer


def install() -> None:
    """Makes it what `urlopen` uses."""
    opener = urllib.request.OpenerDirector()
    opener.addheaders = []
    for handler in (
        urllib.request.UnknownHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.DataHandler,
        HostHandler,
    ):
        opener.add_handler(handler())
    urllib.request.install_opener(opener)
