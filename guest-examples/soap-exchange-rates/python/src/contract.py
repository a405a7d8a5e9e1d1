"""What the WSDL of the banks says, as dataclasses: a complex type each, its elements in their order.

`check_contract.py` compares this file with the WSDL of a bank.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum

NAMESPACE = "urn:example:exchange-rates:1"


class QuoteKind(Enum):
    """What a quote is."""

    FIXING = "FIXING"
    INDICATIVE = "INDICATIVE"
    HOLIDAY = "HOLIDAY"


class ProblemCode(Enum):
    """Why there are no quotes."""

    UNKNOWN_CURRENCY = "UNKNOWN_CURRENCY"
    WITHDRAWN = "WITHDRAWN"


@dataclass
class GetQuotes:
    """The quotes of a currency that were published after a moment, or all."""

    currency: str
    published_after: datetime | None


@dataclass
class Quote:
    """So many euros for so many units of the currency; none on a holiday."""

    day: date
    kind: QuoteKind
    units: int
    rate: Decimal | None
    published_at: datetime
    note: str | None


@dataclass
class RateProblem:
    """The detail of a fault."""

    code: ProblemCode
    currency: str
    withdrawn_on: date | None
    successor: str | None
