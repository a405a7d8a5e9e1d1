"""Mail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ._host import call, interface
from ._output import Pairs, pairs

Addresses = str | Sequence[str]
"""An address, or several: `jane@example.com` or `Jane Doe <jane@example.com>`."""


@dataclass(frozen=True)
class Attachment:
    """A file that goes with a mail."""

    name: str
    """File name."""
    content_type: str
    """Media type."""
    data: bytes
    content_id: str | None = None
    """What the HTML refers to it by: `<img src="cid:logo">` shows the image whose id is `logo`."""


@dataclass(frozen=True)
class Mail:
    """A mail to be. At least one of `text` and `html`; with both the reader chooses."""

    subject: str
    to: Addresses = ()
    text: str | None = None
    html: str | None = None
    cc: Addresses = ()
    bcc: Addresses = ()
    """Recipients that the others do not see."""
    reply_to: Addresses = ()
    """Where answers go to."""
    sender: str | None = None
    """The sender; otherwise it is the connection's."""
    headers: Pairs = ()
    """Further headers."""
    attachments: Sequence[Attachment] = ()


class Email:
    """Mail through mail connections of the manifest.

    A mail that was sent is not sent again by a run that is tried again.

    A mail that the server refused for good raises `Refused`; one larger than 8 MiB (unless the manifest says otherwise)
    raises `TooLarge`; one without the server's answer raises `InDoubt`.
    """

    def send(self, connection: str, mail: Mail) -> str:
        """Hands a mail to the server and returns its message id. That the server took it does not mean that it
        arrives."""
        host = interface("email")
        raw = host.Mail(
            sender=mail.sender,
            to=_addresses(mail.to),
            cc=_addresses(mail.cc),
            bcc=_addresses(mail.bcc),
            reply_to=_addresses(mail.reply_to),
            subject=mail.subject,
            text=mail.text,
            html=mail.html,
            headers=pairs(mail.headers),
            attachments=[
                host.Attachment(one.name, one.content_type, one.content_id, one.data) for one in mail.attachments
            ],
        )
        message_id: str = call(None, host.send, connection, raw)
        return message_id


def _addresses(given: Addresses) -> list[str]:
    return [given] if isinstance(given, str) else list(given)
