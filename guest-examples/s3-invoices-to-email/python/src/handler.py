"""Mails the invoices that come into a bucket to their customers: each once, with its PDF.

An invoice is two objects: `outbox/R-1001.pdf`, and then `outbox/R-1001.json`, which says what it is about and to whom
it goes. It is taken out of the outbox before it is mailed: whatever happens then, nobody takes it again.
"""

import html
import logging
import re
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from jackfield import Attachment, Context, Event, Mail, Output, Rejected, handler

NUMBER = re.compile(r"[A-Z0-9-]{1,20}", re.ASCII)
ADDRESS = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+")
AMOUNT = re.compile(r"-?\d{1,12}\.\d\d", re.ASCII)
"""In text: a number of JSON may have passed through a binary fraction."""


@dataclass
class Invoice:
    """What the JSON says."""

    number: str
    customer: str
    to: str
    amount: str
    currency: str
    due: str | None = None
    total: Decimal = field(init=False)
    pay_by: date | None = field(init=False)

    def __post_init__(self) -> None:
        """Checks it: types alone do not say what an amount is."""
        for name, pattern, wanted in [
            ("number", NUMBER, "capital letters, digits and dashes"),
            ("customer", re.compile(r".*\S.*"), "a name on one line"),
            ("to", ADDRESS, "one address such as jane@example.com"),
            ("amount", AMOUNT, 'a decimal such as "1190.00"'),
            ("currency", re.compile("[A-Z]{3}"), "three capital letters"),
        ]:
            value = getattr(self, name)
            if not pattern.fullmatch(value):
                raise Rejected(f"`{name}` is {value!r}, not {wanted}")
        self.total = Decimal(self.amount)
        try:
            self.pay_by = None if self.due is None else date.fromisoformat(self.due)
        except ValueError:
            raise Rejected(f'`due` is {self.due!r}, not a date such as "2026-12-15"') from None


@handler
def on_invoice(event: Event[Invoice], cx: Context) -> Output:
    """Mails one invoice."""
    invoice = event.data
    number = invoice.number
    if event.subject != f"outbox/{number}.json":
        raise Rejected(f"`number` is {number}, and the object is {event.subject}")
    pdf = cx.blob.get("invoices", f"outbox/{number}.pdf")
    if pdf is None:
        raise Rejected(f"outbox/{number}.pdf is not there; it has to come before the JSON")
    if not pdf.startswith(b"%PDF-"):
        raise Rejected(f"outbox/{number}.pdf is no PDF: it begins with {pdf[:8]!r}")

    take(cx, invoice, pdf)
    mail_id = cx.email.send("mail", mail(invoice, pdf))
    logging.info("%s is mailed", number, extra={"to": invoice.to, "mail": mail_id})
    return Output.json({"invoice": number, "to": invoice.to})


def take(cx: Context, invoice: Invoice, pdf: bytes) -> None:
    """Takes it out of the outbox. What is kept of it says to whom it goes, and in which run."""
    number = invoice.number
    slip = {"number": number, "to": invoice.to, "amount": invoice.amount, "currency": invoice.currency}
    cx.blob.put("invoices", f"taken/{number}.pdf", pdf, content_type="application/pdf")
    cx.blob.put("invoices", f"taken/{number}.json", slip | {"run": cx.run().id})
    cx.blob.remove("invoices", f"outbox/{number}.json")
    cx.blob.remove("invoices", f"outbox/{number}.pdf")


def mail(invoice: Invoice, pdf: bytes) -> Mail:
    """The mail, in text and in HTML."""
    kind = "Credit note" if invoice.total < 0 else "Invoice"
    amount = f"{invoice.currency} {abs(invoice.total):,.2f}"
    if invoice.total < 0:
        wish = f"We will pay you {amount}."
    elif invoice.total == 0:
        wish = "There is nothing to pay."
    elif invoice.pay_by is None:
        wish = f"Please pay {amount}."
    else:
        wish = f"Please pay {amount} by {invoice.pay_by.day} {invoice.pay_by:%B %Y}."
    opening = f"{kind} {invoice.number} is attached."
    return Mail(
        f"{kind} {invoice.number}",
        to=invoice.to,
        text=f"Dear {invoice.customer},\n\n{opening} {wish}\n\nKind regards\n",
        html=(
            f"<p>Dear {html.escape(invoice.customer)},</p>\n"
            f"<p>{opening} <strong>{wish}</strong></p>\n"
            "<p>Kind regards</p>\n"
        ),
        attachments=[Attachment(f"{invoice.number}.pdf", "application/pdf", pdf)],
    )
