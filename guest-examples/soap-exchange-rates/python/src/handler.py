"""Fetches the exchange rates of two banks by SOAP into PostgreSQL: what was published since the last time.

A currency that a bank does not quote stops itself alone, and so does a quote that is wrong: both are in tables of their
own, with the reason.
"""

import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Literal
from xml.etree.ElementTree import Element, fromstring, tostring

from contract import NAMESPACE, GetQuotes, Quote, QuoteKind, RateProblem
from jackfield import Context, Event, Failure, Output, SoapFault, handler, soap
from xsd import Unfit, read, write


@dataclass(frozen=True)
class Bank:
    """Where rates come from."""

    name: str
    connection: str
    version: Literal["1.1", "1.2"]


BANKS = [Bank("central", "central-bank", "1.1"), Bank("commercial", "commercial-bank", "1.2")]

LAST = "select bank, currency, max(published_at) as published_at from rates group by bank, currency"
STORE = (
    "insert into rates (bank, currency, day, kind, units, rate, published_at, note) "
    "select * from jsonb_to_recordset($1::jsonb) as new (bank text, currency text, day date, kind text, units int, "
    "rate numeric, published_at timestamptz, note text) "
    "on conflict (bank, currency, day) do update set kind = excluded.kind, units = excluded.units, "
    "rate = excluded.rate, published_at = excluded.published_at, note = excluded.note "
    "where rates.published_at < excluded.published_at"
)
"""A bank corrects a quote by another of the same day that is published later."""
FORGET_CURRENCIES = "delete from refused_currencies"
REFUSE_CURRENCIES = (
    "insert into refused_currencies (bank, currency, code, withdrawn_on, successor, reason) "
    "select * from jsonb_to_recordset($1::jsonb) as new (bank text, currency text, code text, withdrawn_on date, "
    "successor text, reason text)"
)
FORGET_QUOTES = (
    "delete from refused_quotes using jsonb_to_recordset($1::jsonb) as new (bank text, currency text, day text) "
    "where refused_quotes.bank = new.bank and refused_quotes.currency = new.currency and refused_quotes.day = new.day"
)
REFUSE_QUOTES = (
    "insert into refused_quotes (bank, currency, day, reason, quote) "
    "select * from jsonb_to_recordset($1::jsonb) as new (bank text, currency text, day text, reason text, quote text) "
    "on conflict (bank, currency, day) do update set reason = excluded.reason, quote = excluded.quote"
)


@dataclass
class Last:
    """Until when a bank's quotes of a currency are stored."""

    bank: str
    currency: str
    published_at: datetime


@handler
def fetch(event: Event[None], cx: Context) -> Output:
    """Asks both banks for all currencies, and stores what came."""
    currencies = cx.config.json("currencies", list[str])
    if currencies is None:
        raise Failure("the setting `currencies` is not set", name="missing-setting")
    last = {(row.bank, row.currency): row.published_at for row in cx.sql.query("books", LAST, [], Last)}
    rates: dict[tuple[str, ...], dict[str, Any]] = {}
    wrong: dict[tuple[str, ...], dict[str, Any]] = {}
    refused = []
    for bank in BANKS:
        for currency in currencies:
            try:
                quotes = ask(cx, bank, GetQuotes(currency, last.get((bank.name, currency))))
            except SoapFault as fault:
                refused.append(row(bank=bank.name, **asdict(problem_of(fault)), reason=fault.reason))
                logging.warning("no %s of the %s bank: %s", currency, bank.name, fault.reason)
                continue
            # They come in the order of their publication: of a day's quotes the last one counts.
            for element in quotes:
                try:
                    quote = checked(read(element, Quote))
                except Unfit as problem:
                    day = day_of(element)
                    said = tostring(element, "unicode")
                    wrong[bank.name, currency, day] = row(
                        bank=bank.name, currency=currency, day=day, reason=problem, quote=said
                    )
                    logging.warning("a quote of %s of the %s bank: %s", currency, bank.name, problem)
                else:
                    key = bank.name, currency, str(quote.day)
                    rates[key] = row(bank=bank.name, currency=currency, **asdict(quote))
                    wrong.pop(key, None)
    right = [rate for key, rate in rates.items() if key not in wrong]
    batch = cx.sql.batch("books")
    batch.execute(STORE, [list(rates.values())])
    batch.execute(FORGET_CURRENCIES).execute(REFUSE_CURRENCIES, [refused])
    batch.execute(FORGET_QUOTES, [right]).execute(REFUSE_QUOTES, [list(wrong.values())])
    stored = batch.commit()[0].rows
    return Output.json({"stored": stored, "refused_currencies": len(refused), "refused_quotes": len(wrong)})


def ask(cx: Context, bank: Bank, question: GetQuotes) -> Iterable[Element]:
    """A bank's quotes of a currency."""
    answer = soap(
        cx.http,
        bank.connection,
        "/ExchangeRates",
        write(question, NAMESPACE),
        action=f"{NAMESPACE}/GetQuotes",
        version=bank.version,
    )
    return fromstring(answer.body).iterfind(f"{{{NAMESPACE}}}quote")


def problem_of(fault: SoapFault) -> RateProblem:
    """What a fault says in its detail. One that says nothing there is the bank's own failure, and tried again."""
    detail = fromstring(fault.detail) if fault.detail.startswith("<") else None
    if detail is None or detail.tag != f"{{{NAMESPACE}}}RateProblem":
        raise fault
    return read(detail, RateProblem)


def checked(quote: Quote) -> Quote:
    """What the types do not say, and the table demands."""
    if quote.units <= 0:
        raise Unfit(f"`units` is {quote.units}, not positive")
    if quote.kind is QuoteKind.HOLIDAY and quote.rate is not None:
        raise Unfit(f"`rate` is {quote.rate:f} on a holiday")
    if quote.kind is not QuoteKind.HOLIDAY and quote.rate is None:
        raise Unfit(f"`rate` is nil, and the day is no holiday but {quote.kind.value}")
    if quote.rate is not None and quote.rate <= 0:
        raise Unfit(f"`rate` is {quote.rate:f}, not positive")
    return quote


def day_of(quote: Element) -> str:
    """The day of a wrong quote, if that is right at least: without its time zone."""
    return (quote.findtext(f"{{{NAMESPACE}}}day") or "")[:10]


def row(**values: Any) -> dict[str, Any]:
    """A row as JSON that the database reads exactly: decimals, days and moments are text."""

    def plain(value: Any) -> Any:
        if isinstance(value, Enum):
            return value.value
        return None if value is None else str(value)

    return {name: plain(value) for name, value in values.items()}
