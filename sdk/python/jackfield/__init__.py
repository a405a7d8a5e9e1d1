"""Write Jackfield integrations in Python.

An integration is a function that handles an event. The host calls it in a fresh sandbox, keeps the event until it
is handled, and adds the credentials to its calls::

    import logging
    from dataclasses import dataclass

    from jackfield import Context, Event, Output, handler


    @dataclass
    class FeatureRequest:
        number: str
        title: str


    @handler
    def on_request(event: Event[FeatureRequest], cx: Context) -> Output | None:
        seen = f"seen/{event.data.number}"
        if cx.kv.get(seen) is not None:
            return None
        issue = cx.http.post("github", "/repos/acme/app/issues", json={"title": event.data.title})
        number = issue.error_for_status().json()["number"]
        cx.kv.set(seen, number)
        logging.info("opened an issue", extra={"number": event.data.number})
        return Output.json({"issue": number})

What the component may do (which connection, which paths, which keys) is granted in the integration's
`jackfield.toml`; a call outside the grants raises `AccessDenied`.

Events may come twice: a run that fails is tried again. Calls that changed something and succeeded are not made
again: the handler gets their recorded answers. That works because a handler asks for the same things in the same
order when it is tried again, so let no call depend on `RunInfo.attempt`.
"""

from ._blob import Blob, ObjectInfo
from ._config import Config
from ._context import Context, RunInfo
from ._email import Attachment, Email, Mail
from ._errors import (
    AccessDenied,
    Conflict,
    DatabaseError,
    Failure,
    HttpStatus,
    InDoubt,
    Invalid,
    Quota,
    Refused,
    Rejected,
    Timeout,
    TooLarge,
    Unavailable,
)
from ._event import Attributes, Event
from ._events import Draft, Events
from ._http import Http, Part, Response
from ._kv import Batch, Entry, Kv
from ._messaging import Message, Messaging, Reply
from ._output import Output
from ._rt import handler
from ._soap import SoapAnswer, SoapFault, soap, xml_element
from ._sql import Change, Column, Sql, SqlBatch, Table

__all__ = [
    "AccessDenied",
    "Attachment",
    "Attributes",
    "Batch",
    "Blob",
    "Change",
    "Column",
    "Config",
    "Conflict",
    "Context",
    "DatabaseError",
    "Draft",
    "Email",
    "Entry",
    "Event",
    "Events",
    "Failure",
    "Http",
    "HttpStatus",
    "InDoubt",
    "Invalid",
    "Kv",
    "Mail",
    "Message",
    "Messaging",
    "ObjectInfo",
    "Output",
    "Part",
    "Quota",
    "Refused",
    "Rejected",
    "Reply",
    "Response",
    "RunInfo",
    "SoapAnswer",
    "SoapFault",
    "Sql",
    "SqlBatch",
    "Table",
    "Timeout",
    "TooLarge",
    "Unavailable",
    "handler",
    "soap",
    "xml_element",
]
