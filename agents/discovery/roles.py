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
        *(
            "appsflyerid",
            "amplitudeid",
            "profileid",
            "emailaddress",
            "idvisitor",
            "idfa",
            "gaid",
            "adid",
            "hashedemail",
        ),
        *("usersession", "sessionid", "session", "visitid", "cip", "ip", "ipaddress"),
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
        *("activitykind", "metricname", "metricid", "metric", "eventtablename", "eventlabel"),
        *("interactiontype", "interaction", "eventaction", "logtype", "type", "orderstatus", "paymentstatus", "status"),
        *("stage", "step", "what", "csuristem", "urlpath", "pagepath"),
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
        *("networkname", "publisher", "referrerdomain", "referrer", "referer", "placement", "adexchange", "platform"),
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
        *("clickcost", "costamount", "cpc", "bidprice", "payprice", "costmicros", "spent"),
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
            "revenuefloat",
            "revenueamount",
            "grandtotal",
            "subtotal",
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
    """`time_of_day` among them where the day stands in a column of its own."""
    more: dict[str, list[Seen]]
    """Of `journey_id` and `event_type`, columns that stand in where the first one is empty."""
    converted: Seen | None
    clicked: Seen | None


def roles_of(columns: Sequence[Seen]) -> Roles:
    """The likeliest column for each field; each column is one field's at most."""
    taken: set[str] = set()
    fields: dict[str, Seen] = {}
    more: dict[str, list[Seen]] = {field: [] for field in _SEVERAL}
    for field, names in _NAMES.items():
        fitting = [one for one in _by_rank(field, columns, names, taken) if _fits(field, one)]
        found = next(iter(fitting), None)
        if found is None and field == "occurred_at":
            found = next((one for one in columns if _is_time(one)), None)
        if found is None:
            continue
        fields[field] = found
        taken.add(found.name)
        if field in more and found.values < found.rows:
            more[field] = _stand_ins(field, fitting[1:])
            taken.update(one.name for one in more[field])
        if field == "occurred_at":
            hours = _time_of_day(found, columns)
            if hours is not None:
                fields["time_of_day"] = hours
                taken.add(hours.name)
    flags = [column for column in columns if column.numbers > 0.99 and column.distinct <= 2 and column.greatest == 1]
    converted = next((one for one in flags if plain_name(one.name) in _FLAGS), None)
    clicked = next((one for one in flags if plain_name(one.name) in _CLICKS), None)
    return Roles(fields, more, converted, clicked)


def plain_name(name: str) -> str:
    """The last part of a name or path, in lower case, letters and digits only; of `user.id` both, as `userid`."""
    parts = [re.sub(r"[^a-z0-9]", "", part.lower()) for part in re.split(r"[.\[]", name)]
    if len(parts) > 1 and parts[-1] in _GENERAL:
        owners = [part for part in parts[:-1] if part not in _WRAPPERS]
        return "".join([*owners[-1:], parts[-1]])
    return parts[-1]


def _stand_ins(field: str, others: list[Seen]) -> list[Seen]:
    """The next best that is never empty, else the next two."""
    full = [one for one in others if one.values == one.rows]
    if field == "event_type":
        # A column of words says more than one of numbers.
        others = [one for one in others if one.numbers <= 0.5] or others
    return full[:1] or others[:2]


def _time_of_day(day: Seen, columns: Sequence[Seen]) -> Seen | None:
    """The column that says the hour where a column holds days alone."""
    if not day.samples or not all(re.fullmatch(r"\d{4}-\d\d-\d\d", one) for one in day.samples):
        return None
    return next(
        (
            one
            for one in columns
            if plain_name(one.name) in _HOURS
            and one.samples
            and all(re.fullmatch(r"\d\d:\d\d(:\d\d(\.\d+)?)?", sample) for sample in one.samples)
        ),
        None,
    )


_SEVERAL: Final = ("journey_id", "event_type")
_GENERAL: Final = ("id", "name", "value", "type")
_WRAPPERS: Final = (
    *("data", "attributes", "properties", "eventproperties", "userproperties", "relationships", "fields", "context"),
)
_HOURS: Final = ("time", "hour", "timeofday", "eventtime")
_TRAILING: Final = ("journey_id", "conversion_value")
"""Fields whose names may stand at the end of longer ones: Customer User ID, Event Revenue USD."""
_NONE: Final = 10_000


def _rank(field: str, column: Seen, names: tuple[str, ...]) -> int:
    name = plain_name(column.name)
    nested = 50 if "." in column.name or "[" in column.name else 0
    if name in names:
        # Numbers as events tell nobody what they are.
        return names.index(name) + nested + (25 if field == "event_type" and column.numbers > 0.95 else 0)
    if field in _TRAILING:
        words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", re.split(r"[.\[]", column.name)[-1])
        ends = ["".join(words[start:]).lower() for start in range(1, len(words))]
        found = [names.index(end) for end in ends if end in names]
        return min(found) + 200 + nested if found else _NONE
    return _NONE


def _by_rank(field: str, columns: Sequence[Seen], names: tuple[str, ...], taken: set[str]) -> list[Seen]:
    """Columns by their names, the likeliest first; those that say the same in each row last."""
    ranked = [
        (field in _SEVERAL and one.distinct <= 1 < one.rows, rank, place)
        for place, one in enumerate(columns)
        if (rank := _rank(field, one, names)) < _NONE
    ]
    return [columns[place] for _, _, place in sorted(ranked) if columns[place].name not in taken]


def _fits(field: str, column: Seen) -> bool:  # noqa: PLR0911  (a field a line)
    """Whether the values of a column can be those of a field."""
    if column.values == 0 or all(one.startswith(("{", "[")) for one in column.samples):
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
