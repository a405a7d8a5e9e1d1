"""Takes a supplier's feed in XML, and tells of each of its products as an event in JSON."""

import logging
from datetime import UTC, datetime
from typing import Any
from xml.parsers.expat import ExpatError

import xmltodict
from dateutil import parser, tz
from jackfield import Context, Draft, Event, Output, Rejected, handler

# Read when the component is built: what lies in a library's data files is not there later.
BERLIN = tz.gettz("Europe/Berlin")


@handler
def on_feed(event: Event[bytes], cx: Context) -> Output:
    """Handles a feed."""
    try:
        feed = xmltodict.parse(event.data, force_list=("product",))["feed"]
        products = [product_of(product) for product in feed["product"]]
        published = instant(feed["@published"])
    except ExpatError as problem:
        raise Rejected(f"the feed is not XML: {problem}") from None
    except (KeyError, ValueError) as problem:
        raise Rejected(f"the feed lacks something, or has something else: {problem}") from None
    drafts = [
        # A feed that comes twice tells of each product once.
        Draft("product.changed", product, id=f"{product['sku']}/{published}", subject=product["sku"])
        for product in products
    ]
    cx.events.emit_all(drafts)
    logging.info("%d products of %s", len(drafts), feed["@supplier"], extra={"published": published})
    return Output.json({"supplier": feed["@supplier"], "published": published, "products": len(drafts)})


def product_of(product: dict[str, Any]) -> dict[str, Any]:
    """A product as the rest of the house wants it."""
    price = product["price"]
    return {
        "sku": product["@sku"],
        "name": product["name"],
        "price": {"amount": price["#text"], "currency": price["@currency"]},
        "available": day(product["available"]),
    }


def instant(text: str) -> str:
    """An instant in whatever form, as RFC 3339 in UTC. One without a zone is meant as the supplier's own time."""
    read: datetime = parser.parse(text, tzinfos={"CET": 3600, "CEST": 7200})
    return (read if read.tzinfo else read.replace(tzinfo=BERLIN)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def day(text: str) -> str:
    """A day in whatever form: `3 December 2026`, `03.12.2026`, `2026-12-03`."""
    iso = text[:4].isdigit()
    read: datetime = parser.parse(text, dayfirst=not iso, yearfirst=iso)
    return read.date().isoformat()
