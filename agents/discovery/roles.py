"""Guesses what columns are for, by their names and their values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from journeys.agents.discovery.columns import Seen
from journeys.schemas.records import STATES

_FEW: Final = 300
# Names as other programs have them, in lower case without signs between words; the better ones first.
_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "occurred_at": (
        *(
            "occurredat",
            "eventtimestamp",
            "eventtime",
            "eventdatetime",
            "timestamp",
            "timestampms",
            "originaltimestamp",
        ),
        *(
            "time",
            "datetime",
            "ts",
            "createdat",
            "created",
            "servertime",
            "hittime",
            "visittime",
            "clicktime",
            "unixtime",
        ),
        *(
            "starttime",
            "orderdate",
            "purchasedate",
            "invoicedate",
            "transactiondate",
            "eventdate",
            "when",
            "day",
            "date",
            "at",
        ),
    ),
    "journey_id": (
        *(
            "journeyid",
            "userpseudoid",
            "customerid",
            "userid",
            "uid",
            "visitorid",
            "fullvisitorid",
            "clientid",
            "cookieid",
        ),
        *("cookie", "anonymousid", "distinctid", "deviceid", "personid", "memberid", "accountid", "householdid"),
        *(
            "ipinyouid",
            "contactid",
            "subscriberid",
            "playerid",
            "msisdn",
            "customer",
            "user",
            "visitor",
            "email",
            "phone",
        ),
        *("usersession", "sessionid", "session", "visitid", "idvisitor", "idfa", "gaid", "adid", "hashedemail"),
    ),
    "touchpoint_id": (
        *("touchpointid", "eventid", "messageid", "insertid", "hitid", "uuid", "impressionid", "clickid", "bidid"),
        *("transactionid", "orderid", "invoiceno", "invoiceid", "rowid", "logid", "requestid", "id", "index"),
    ),
    "event_type": (
        *(
            "eventtype",
            "eventname",
            "event",
            "action",
            "actiontype",
            "activity",
            "activitytype",
            "behavior",
            "behaviortype",
        ),
        *("interactiontype", "interaction", "eventaction", "logtype", "type", "status", "stage", "step", "what"),
    ),
    "channel": (
        *(
            "channel",
            "marketingchannel",
            "channelgrouping",
            "utmmedium",
            "medium",
            "utmsource",
            "source",
            "trafficsource",
        ),
        *(
            "sourcemedium",
            "campaign",
            "utmcampaign",
            "campaignname",
            "campaignid",
            "adnetwork",
            "network",
            "mediasource",
        ),
        *("publisher", "platform", "referrer", "referer", "placement", "adexchange"),
    ),
    "cost": (
        *(
            "cost",
            "costusd",
            "spend",
            "spendusd",
            "adcost",
            "adspend",
            "mediacost",
            "payingprice",
            "winprice",
            "winningprice",
        ),
        *("clickcost", "cpc", "bidprice", "payprice", "costmicros", "spent"),
    ),
    "conversion_value": (
        *(
            "conversionvalue",
            "revenue",
            "revenueusd",
            "purchaserevenue",
            "ordervalue",
            "ordertotal",
            "total",
            "totalprice",
        ),
        *(
            "totalamount",
            "amount",
            "purchaseamount",
            "sales",
            "salesamount",
            "gmv",
            "value",
            "price",
            "payout",
            "cpo",
            "worth",
        ),
    ),
    "conversion_probability": ("conversionprobability", "pconversion", "pcvr", "predictedcvr"),
    "propensity": ("propensity", "propensityscore", "pscore", "actionprob", "actionprobability"),
    "action_id": ("actionid", "itemid", "creativeid", "bannerid", "adcreative", "armid"),
    "state": ("state", "journeystate", "funnelstage"),
    "segment": ("segment", "customersegment", "usersegment", "audience", "cohort", "plan", "tier", "devicecategory"),
}
_FLAGS: Final = (
    "conversion",
    "converted",
    "isconversion",
    "purchase",
    "purchased",
    "bought",
    "isorder",
    "label",
    "sale",
)
_CLICKS: Final = ("click", "clicked", "isclick", "clicks")


class Role(NamedTuple):
    """A column and the field that it probably is."""

    field: str
    column: Seen


class Roles(NamedTuple):
    """Columns by field, and columns of yes or no that say what a row is."""

    fields: dict[str, Seen]
    converted: Seen | None
    clicked: Seen | None


def roles_of(columns: Sequence[Seen]) -> Roles:
    """The likeliest column for each field; each column is one field's at most."""
    taken: set[str] = set()
    fields: dict[str, Seen] = {}
    for field, names in _NAMES.items():
        best = min(
            ((_rank(column, names), place, column) for place, column in enumerate(columns) if column.name not in taken),
            key=lambda one: one[:2],
            default=None,
        )
        found = best[2] if best is not None and best[0] < _NONE else None
        if found is None or not _fits(field, found):
            found = next((one for one in _by_rank(columns, names, taken) if _fits(field, one)), None)
        if found is None and field == "occurred_at":
            found = next((one for one in columns if _is_time(one)), None)
        if found is not None:
            fields[field] = found
            taken.add(found.name)
    flags = [column for column in columns if column.numbers > 0.99 and column.distinct <= 2 and column.greatest == 1]
    converted = next((one for one in flags if plain_name(one.name) in _FLAGS), None)
    clicked = next((one for one in flags if plain_name(one.name) in _CLICKS), None)
    return Roles(fields, converted, clicked)


def plain_name(name: str) -> str:
    """The last part of a name or path, in lower case, letters and digits only."""
    last = re.split(r"[.\[]", name)[-1]
    return re.sub(r"[^a-z0-9]", "", last.lower())


_NONE: Final = 10_000


def _rank(column: Seen, names: tuple[str, ...]) -> int:
    name = plain_name(column.name)
    return names.index(name) + (50 if "." in column.name or "[" in column.name else 0) if name in names else _NONE


def _by_rank(columns: Sequence[Seen], names: tuple[str, ...], taken: set[str]) -> list[Seen]:
    ranked = [(rank, place) for place, one in enumerate(columns) if (rank := _rank(one, names)) < _NONE]
    return [columns[place] for _, place in sorted(ranked) if columns[place].name not in taken]


def _fits(field: str, column: Seen) -> bool:  # noqa: PLR0911  (a field a line)
    """Whether the values of a column can be those of a field."""
    if column.values == 0:
        return False
    if field == "occurred_at":
        return (
            column.kind.startswith(("TIMESTAMP", "DATE"))
            or column.iso_times > 0.8
            or column.numbers > 0.95
            or (_is_dated(column.samples))
        )
    if field in ("cost", "conversion_value"):
        return column.numbers > 0.8 or _has_comma_numbers(column.samples)
    if field in ("conversion_probability", "propensity"):
        return column.numbers > 0.9 and (column.greatest or 0) <= 1
    if field == "touchpoint_id":
        return column.is_unique
    if field == "event_type":
        return column.distinct <= _FEW and column.iso_times < 0.5
    if field == "state":
        return set(column.samples) <= set(STATES)
    if field in ("channel", "segment"):
        return column.distinct <= 10 * _FEW
    return True


def _is_time(column: Seen) -> bool:
    return column.iso_times > 0.9 or column.kind.startswith("TIMESTAMP") or _is_dated(column.samples)


def _is_dated(samples: tuple[str, ...]) -> bool:
    return bool(samples) and all(
        re.search(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}|\d{1,2}[ /-][A-Za-z]{3}", one) for one in samples
    )


def _has_comma_numbers(samples: tuple[str, ...]) -> bool:
    return bool(samples) and all(re.fullmatch(r"\d{1,3}(\.\d{3})*(,\d+)?|\d+,\d+", one) for one in samples)
