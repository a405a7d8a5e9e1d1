"""SOAP: an envelope around a body, sent by `http`, and what the answer's envelope holds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict, Unpack

from ._errors import Failure, Invalid
from ._http import Http, Response
from ._output import Pairs, pairs
from ._xml import Element, NotXml, escape, parse

Version = Literal["1.1", "1.2"]
XmlValue = str | int | float | bool | None | Sequence["XmlValue"] | Mapping[str, "XmlValue"]
"""What an element may be made of; None is left out, a list becomes several elements."""

_ENVELOPES = {
    "1.1": "http://schemas.xmlsoap.org/soap/envelope/",
    "1.2": "http://www.w3.org/2003/05/soap-envelope",
}
_ELEMENT = re.compile(r"[^\W\d][\w.:-]*")
_MAY_PASS = re.compile(r"(?:.*:)?(?:Server|Receiver)(?:\..*)?", re.DOTALL)


class Options(TypedDict, total=False):
    """What a call by SOAP may say besides its body."""

    header: str
    """The header's content: XML."""
    action: str
    """What the service calls the action; 1.1 has it in `soapaction`, 1.2 in the content type."""
    version: Version
    """The version of SOAP; 1.1 if nobody says."""
    headers: Pairs
    """Further headers of the request."""
    timeout_ms: int
    """How long to wait for the whole answer. Otherwise the connection's own limit holds."""


class SoapFault(Failure):
    """The service's own answer that it failed."""

    kind = "soap-fault"

    def __init__(self, message: str, code: str, reason: str, detail: str) -> None:
        # The service's fault may pass; the caller's will not.
        super().__init__(message, retryable=_MAY_PASS.fullmatch(code) is not None)
        self.code = code
        """Its code, such as `soap:Client`."""
        self.reason = reason
        """Its text for people."""
        self.detail = detail
        """What else it says: XML; empty if nothing."""


class SoapAnswer:
    """A SOAP service's answer."""

    def __init__(self, response: Response, source: str, header: Element | None, body: Element) -> None:
        self.response = response
        """The HTTP response."""
        self.body = body.content(source)
        """What the body holds: XML, each of its elements with the declarations that it needs."""
        self.header = "" if header is None else header.content(source)
        """What the header holds, likewise; empty if there is none."""
        self._body = body

    def text(self, name: str) -> str | None:
        """The text of the body's first element of this name, whatever its prefix and however deep; None if there is
        none."""
        return next(iter(self.texts(name)), None)

    def texts(self, name: str) -> list[str]:
        """The texts of all elements of this name."""
        return [element.all_text() for element in self._body.find_all(name)]


def soap(http: Http, connection: str, path: str, body: str, **options: Unpack[Options]) -> SoapAnswer:
    """Calls a SOAP service: POSTs an envelope around `body` (XML, such as `xml_element` makes) to a path of a
    connection, and reads the answer's. Needs the grant of an HTTP POST.

    A fault of the service raises `SoapFault`; any other answer that is no envelope `HttpStatus`, or a failure named
    `answer`.
    """
    unknown = set(options) - Options.__optional_keys__
    if unknown:
        raise TypeError(f"a call by SOAP takes no `{min(unknown)}`")
    version: Version = options.get("version", "1.1")
    if version not in _ENVELOPES:
        raise Invalid(f"the version of SOAP is 1.1 or 1.2, not {version}")
    headers = [*pairs(options.get("headers")), *_headers(version, options.get("action"))]
    envelope = _envelope(version, body, options.get("header"))
    if "timeout_ms" in options:
        response = http.post(connection, path, headers=headers, body=envelope, timeout_ms=options["timeout_ms"])
    else:
        response = http.post(connection, path, headers=headers, body=envelope)
    return _answer(response)


def xml_element(name: str, value: XmlValue, namespace: str | None = None) -> str:
    """An element with an optional namespace, for a body: `xml_element("GetOrder", {"id": 7}, "urn:orders")`."""
    if _ELEMENT.fullmatch(name) is None:
        raise Invalid(f"`{name}` is no name of an element")
    if value is None:
        return ""
    if isinstance(value, Mapping):
        inner = "".join(xml_element(below, part) for below, part in value.items())
    elif isinstance(value, Sequence) and not isinstance(value, str):
        return "".join(xml_element(name, one, namespace) for one in value)
    else:
        inner = escape(str(value).lower() if isinstance(value, bool) else str(value))
    declared = "" if namespace is None else f' xmlns="{escape(namespace)}"'
    return f"<{name}{declared}>{inner}</{name}>"


def _envelope(version: Version, body: str, header: str | None) -> str:
    head = "" if header is None else f"<soap:Header>{header}</soap:Header>"
    begin = f'<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="{_ENVELOPES[version]}">'
    return f"{begin}{head}<soap:Body>{body}</soap:Body></soap:Envelope>"


def _headers(version: Version, action: str | None) -> list[tuple[str, str]]:
    said = (action or "").replace("\\", "\\\\").replace('"', '\\"')
    if version == "1.1":
        return [("content-type", "text/xml; charset=utf-8"), ("soapaction", f'"{said}"')]
    named = "" if action is None else f'; action="{said}"'
    return [("content-type", f"application/soap+xml; charset=utf-8{named}")]


def _answer(response: Response) -> SoapAnswer:
    try:
        source = response.body.decode("utf-8")
        root = parse(source)
    except (NotXml, UnicodeDecodeError) as problem:
        # Whoever answers so is no service, but a proxy or a server that is down.
        response.error_for_status()
        text = str(problem) if isinstance(problem, NotXml) else "it is not UTF-8"
        raise Failure(f"{response.what}: the answer is not as expected: {text}", name="answer") from None

    def child(name: str) -> Element | None:
        return next((one for one in root.children if (one.local, one.namespace) == (name, root.namespace)), None)

    body = child("Body")
    if root.local != "Envelope" or root.namespace not in _ENVELOPES.values() or body is None:
        response.error_for_status()
        raise Failure(f"{response.what}: the answer is not as expected: it is no SOAP envelope", name="answer")
    for one in body.children:
        if (one.local, one.namespace) == ("Fault", root.namespace):
            raise _fault(source, one, response.what)
    response.error_for_status()
    return SoapAnswer(response, source, child("Header"), body)


def _fault(source: str, fault: Element, what: str) -> SoapFault:
    def below(element: Element | None, *names: str) -> Element | None:
        return next((one for one in element.children if one.local in names), None) if element else None

    value = below(below(fault, "Code"), "Value") or below(fault, "faultcode")
    text = below(below(fault, "Reason"), "Text") or below(fault, "faultstring")
    detail = below(fault, "Detail", "detail")
    code = "" if value is None else value.text.strip()
    reason = "" if text is None else text.all_text().strip()
    return SoapFault(f"{what}: {code}: {reason}", code, reason, "" if detail is None else detail.content(source))
