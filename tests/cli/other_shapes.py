"""Small files in the shapes of other programs' exports, as their documentation or the data sets themselves show them.

All hold the same: 30 people with some views and a cart, of whom 10 buy.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

PEOPLE = 30
BUYERS = 10
_FORMAT = "%Y-%m-%d %H:%M:%S"


class Event(NamedTuple):
    """Something that a person did; `value` in dollars of a purchase."""

    number: int
    at: datetime
    person: int
    what: str
    value: float | None

    def named(self, view: str, cart: str, buy: str) -> str:
        """The name that a program has for it."""
        return {"view": view, "cart": cart, "buy": buy}[self.what]


def _events() -> list[Event]:
    chance = random.Random(5)
    found = []
    for person in range(PEOPLE):
        at = datetime(2024, 3, 1, 9, tzinfo=UTC) + timedelta(minutes=chance.randrange(60 * 24 * 10))
        for _ in range(chance.randrange(2, 6)):
            found.append((at, person, "view", None))
            at += timedelta(minutes=chance.randrange(1, 3_000), seconds=chance.randrange(60))
        found.append((at, person, "cart", None))
        if person % (PEOPLE // BUYERS) == 0:
            found.append((at + timedelta(minutes=7), person, "buy", round(chance.uniform(5, 90), 2)))
    return [Event(number, *one) for number, one in enumerate(sorted(found, key=lambda one: one[0]))]


EVENTS = _events()


def _table(head: str, row: Callable[[Event], Iterable[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head.split(","))
    writer.writerows(row(one) for one in EVENTS)
    return text.getvalue()


def _lines(row: Callable[[Event], dict[str, object]]) -> str:
    return "".join(f"{json.dumps(row(one))}\n" for one in EVENTS)


def rees46() -> str:
    """The e-commerce events of REES46's Open CDP on Kaggle: `... UTC` behind the times."""
    return _table(
        "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session",
        lambda one: (
            *(f"{one.at:{_FORMAT}} UTC", one.named("view", "cart", "purchase"), 1_000 + one.number),
            *(2053013555631882655, "electronics.phone" if one.number % 2 else "", "acme", one.value or 12.5),
            *(500_000 + one.person, f"s-{one.number}"),
        ),
    )


def retailrocket() -> str:
    """Retailrocket's events: milliseconds, and an id that only purchases have."""
    return _table(
        "timestamp,visitorid,event,itemid,transactionid",
        lambda one: (
            *(round(one.at.timestamp() * 1000), one.person, one.named("view", "addtocart", "transaction")),
            *(one.number, one.number if one.value else ""),
        ),
    )


def appsflyer() -> str:
    """AppsFlyer's raw data reports: names of several words, several times, empty cells."""
    return _table(
        "Attributed Touch Type,Attributed Touch Time,Install Time,Event Time,Event Name,Event Value,Event Revenue,"
        "Event Revenue Currency,Event Revenue USD,Event Source,Media Source,Channel,AppsFlyer ID,Customer User ID",
        lambda one: (
            *("click", f"{one.at - timedelta(hours=1):{_FORMAT}}", "2024-03-01 08:00:00", f"{one.at:{_FORMAT}}"),
            *(one.named("af_content_view", "af_add_to_cart", "af_purchase"), "{}", one.value or ""),
            *("USD" if one.value else "", one.value or "", "SDK", "Facebook Ads", "Instagram"),
            *(f"17000000-{one.person}", f"c{one.person}" if one.person % 2 else ""),
        ),
    )


def adjust() -> str:
    """Adjust's raw data by CSV: placeholders as names, and an event only where the activity is one."""
    return _table(
        "{activity_kind},{created_at},{event_name},{adid},{network_name},{revenue_float},{currency},{cost_amount}",
        lambda one: (
            *(one.named("session", "event", "event"), round(one.at.timestamp()), one.named("", "cart", "purchase")),
            *(f"ad{one.person}", "Organic", one.value or "", "USD" if one.value else "", 0.02),
        ),
    )


def amplitude() -> str:
    """Amplitude's export: times without a zone, a user only where one is known."""
    return _lines(
        lambda one: {
            "$insert_id": f"i-{one.number}",
            "device_id": f"d-{one.person}",
            "event_properties": {"revenue": one.value} if one.value else {"page": "/"},
            "event_time": f"{one.at:{_FORMAT}}.000000",
            "event_type": one.named("Viewed Product", "Add to Cart", "Order Completed"),
            "server_upload_time": f"{one.at + timedelta(minutes=1):{_FORMAT}}.000000",
            "session_id": one.number,
            "user_id": f"u{one.person}" if one.person % 2 else None,
        }
    )


def posthog() -> str:
    """PostHog's batch export: properties are JSON in a text."""
    return _lines(
        lambda one: {
            "uuid": f"018e-{one.number}",
            "event": one.named("$pageview", "added to cart", "purchase"),
            "distinct_id": f"d-{one.person}",
            "properties": json.dumps({"utm_source": "google", "amount": one.value}),
            "timestamp": one.at.isoformat(),
            "created_at": one.at.isoformat(),
        }
    )


def heap() -> str:
    """Heap's events: a type that is always the same, and a table's name that says what happened."""
    return _table(
        "event_id,user_id,session_id,time,type,event_table_name,utm_source,revenue",
        lambda one: (
            *(one.number, one.person, one.person * 10, f"{one.at:%Y-%m-%dT%H:%M:%S}.000Z", "view_page"),
            *(one.named("pageviews", "add_to_cart", "purchase"), "google", one.value or ""),
        ),
    )


def umami() -> str:
    """Umami's API: one document, events by number, with a name where they have one."""
    return json.dumps(
        [
            {
                "event_id": f"e{one.number}",
                "session_id": f"s{one.person}",
                "created_at": f"{one.at:%Y-%m-%dT%H:%M:%SZ}",
                "url_path": "/",
                "event_type": 1 if one.what == "view" else 2,
                "event_name": None if one.what == "view" else one.named("", "add-to-cart", "purchase"),
            }
            for one in EVENTS
        ]
    )


def klaviyo() -> str:
    """Klaviyo's API, as all of JSON:API: ids of others three levels down."""
    return _lines(
        lambda one: {
            "type": "event",
            "id": f"k{one.number}",
            "attributes": {
                "timestamp": round(one.at.timestamp()),
                "event_properties": {"$value": one.value} if one.value else {},
            },
            "relationships": {
                "profile": {"data": {"type": "profile", "id": f"p{one.person}"}},
                "metric": {
                    "data": {"type": "metric", "id": one.named("Viewed Product", "Added to Cart", "Placed Order")}
                },
            },
        }
    )


def woocommerce() -> str:
    """WooCommerce's orders by CSV: some cancelled, the others sales."""
    return _table(
        "Order ID,Order Number,Order Date,Order Status,Customer User ID,Billing Email Address,Order Total,Currency",
        lambda one: (
            *(one.number, one.number, f"{one.at:{_FORMAT}}", one.named("cancelled", "cancelled", "completed")),
            *(one.person, f"p{one.person}@example.com", one.value or 12.5, "EUR"),
        ),
    )


def online_retail() -> str:
    """Online Retail II of the UCI repository: days first, customers as floats."""
    return _table(
        "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country",
        lambda one: (
            *(489_434 + one.number, "85048", "GLASS BALL", 2, f"{one.at:%d/%m/%Y %H:%M}", one.value or 3.5),
            *(f"{13_000 + one.person}.0", "United Kingdom"),
        ),
    )


def diginetica() -> str:
    """Diginetica's views of the CIKM Cup 2016: semicolons, days without hours, users that are all NA."""
    return "sessionId;userId;itemId;timeframe;eventdate\n" + "".join(
        f"{one.person};NA;{one.number};{one.number * 7919 % 100_000};{one.at:%Y-%m-%d}\n" for one in EVENTS
    )


def cloudfront() -> str:
    """Standard logs of Amazon CloudFront, in the extended log format of the W3C: day and hour in two columns."""
    return (
        "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status\n"
        + "".join(
            f"{one.at:%Y-%m-%d\t%H:%M:%S}\tFRA2\t1234\t192.0.2.{one.person}\tGET\thost\t"
            f"{one.named('/view', '/cart', '/purchase')}\t200\n"
            for one in EVENTS
        )
    )


def titled() -> str:
    """Reports of advertising platforms: a title and the days in front of the header."""
    return 'Event report\n"March 1, 2024 - March 31, 2024"\n' + _table(
        "Day,Hour,Customer ID,Campaign,Event,Cost,Conversion value",
        lambda one: (
            *(f"{one.at:%Y-%m-%d}", f"{one.at:%H:%M:%S}", one.person, "spring"),
            *(one.named("impression", "add to cart", "purchase"), 0.02, one.value or ""),
        ),
    )


SHAPES: dict[str, tuple[Callable[[], str], str, int]] = {
    "rees46": (rees46, "csv", BUYERS),
    "retailrocket": (retailrocket, "csv", BUYERS),
    "appsflyer": (appsflyer, "csv", BUYERS),
    "adjust": (adjust, "csv", BUYERS),
    "amplitude": (amplitude, "json", BUYERS),
    "posthog": (posthog, "jsonl", BUYERS),
    "heap": (heap, "csv", BUYERS),
    "umami": (umami, "json", BUYERS),
    "klaviyo": (klaviyo, "jsonl", BUYERS),
    "cloudfront": (cloudfront, "tsv", BUYERS),
    "titled": (titled, "csv", BUYERS),
    "woocommerce": (woocommerce, "csv", BUYERS),
    "online-retail": (online_retail, "csv", len(EVENTS)),
    "diginetica": (diginetica, "csv", 0),
}
"""By name: what makes the file, its suffix, and the conversions in it."""
