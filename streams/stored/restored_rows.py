"""Decodes stored rows, many at once: a restore makes a million of them.

Rows of the present schema are decoded and set by columns; those of other versions one by one, by Avro's rules.
Both may stand in one changelog, in any order.
"""

from __future__ import annotations

import sys
from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, pairwise, repeat
from typing import Any, Final, TypeAlias

from journeys.schemas.codec import HEADER_BYTES, Codec, schema_id_of
from journeys.schemas.columns import WORTHWHILE, arrays_of
from journeys.schemas.expected_error import ExpectedError
from journeys.schemas.invalid import InvalidRecordError
from journeys.streams.rule.policy import Policy
from journeys.streams.rule.row import HASH_BYTES, STORED, Row

# Few enough that what a chunk leaves behind stays in the processor's cache, and that no call into C lasts long.
_CHUNK_ROWS: Final = 5_000
_NAME: Final = "JourneyRow"
StoredEntry: TypeAlias = tuple[str, bytes]
"""Journey and wire bytes of its row."""


class UnreadableRowError(ExpectedError):
    """A row of the table that can't be read here. The text names it, its schema and what would be right."""


def policy_of(policies: Mapping[str, Policy], version: str, place: str) -> Policy:
    """Policy that the row at `place` names; raises UnreadableRowError where the table has none of that version."""
    found = policies.get(version)
    if found is None:
        raise UnreadableRowError(
            f"{place} names the policy {version!r}, of which the table has no row; it has {', '.join(policies)}"
        )
    return found


def rows_of(stored: Iterable[StoredEntry], policies: Mapping[str, Policy], codec: Codec) -> Iterator[Sequence[Row]]:
    """Rows of journeys given with their wire bytes, under the policies that they name; in chunks, in no order.

    Raises UnreadableRowError for one of an unknown schema or policy, or that is damaged.
    """
    for alike, others in _chunks(stored, codec):
        rows = _by_columns(alike, codec, policies)
        yield [_one(journey_id, value, policies, codec) for journey_id, value in alike] if rows is None else rows
        if others:
            yield [_one(journey_id, value, policies, codec) for journey_id, value in others]


def _chunks(stored: Iterable[StoredEntry], codec: Codec) -> Iterator[tuple[list[StoredEntry], list[StoredEntry]]]:
    """Rows in chunks: those that can be decoded by columns, and the others."""
    has_columns = codec.catalog.writer(codec.catalog.id_of(_NAME)).has_columns
    entries = iter(stored)
    while chunk := list(islice(entries, _CHUNK_ROWS)):
        prefixes = {value[:HEADER_BYTES] for _, value in chunk}
        own = {prefix for prefix in prefixes if _is_own(prefix, codec)} if has_columns else set()
        if own == prefixes:
            yield chunk, []
        else:
            alike = [entry for entry in chunk if entry[1][:HEADER_BYTES] in own]
            yield alike, [entry for entry in chunk if entry[1][:HEADER_BYTES] not in own]


def _is_own(prefix: bytes, codec: Codec) -> bool:
    """Whether it names the present schema: by its fingerprint, or by an id that some registry gave it."""
    try:
        writer = codec.catalog.writer(schema_id_of(prefix))
    except InvalidRecordError:
        return False
    return writer.name == _NAME and writer.is_own


def _one(journey_id: str, value: bytes, policies: Mapping[str, Policy], codec: Codec) -> Row:
    try:
        name, fields = codec.decode_fields(value)
    except InvalidRecordError as error:
        raise UnreadableRowError(f"{_place_of(journey_id)}: {error}") from None
    if name != _NAME:
        raise UnreadableRowError(f"{_place_of(journey_id)} is a {name}, not a {_NAME}")
    return Row.of_stored(journey_id, fields, policy_of(policies, fields["policy_version"], _place_of(journey_id)))


def _place_of(journey_id: str) -> str:
    """What an error calls the row of a journey."""
    return f"the row of journey {journey_id!r}"


def _by_columns(entries: Sequence[StoredEntry], codec: Codec, policies: Mapping[str, Policy]) -> list[Row] | None:
    """Rows of entries that are all of the present schema; None where they are few, or one of them is damaged."""
    if len(entries) < WORTHWHILE:
        return None
    writer = codec.catalog.writer(codec.catalog.id_of(_NAME))
    arrays = arrays_of([value[HEADER_BYTES:] for _, value in entries], writer.plain_json)
    if arrays is None:
        return None
    columns = [_BY_FIELD.get(field, _values)(arrays[place]) for place, field in enumerate(STORED)]
    for place, like in _OFTEN_EQUAL:
        columns[place] = [
            one if one == other else other for one, other in zip(columns[like], columns[place], strict=True)
        ]
    journey_ids = [journey_id for journey_id, _ in entries]
    versions = columns[_POLICY_VERSION]
    found = {
        version: policy_of(policies, version, _place_of(journey_ids[versions.index(version)]))
        for version in set(versions)
    }
    rows = list(map(Row.__new__, repeat(Row, len(entries))))
    _set("journey_id", rows, journey_ids)
    _set("armed_at", rows, repeat(None))
    _set("policy", rows, [found[version] for version in versions])
    for field, column in zip(STORED, columns, strict=True):
        _set(field, rows, column)
    for row in rows:
        if row.open:
            row.derive()
        else:
            row.inactivity_in_force_ms = row.lasts_ms = 0
            row.inactivity_rule = row.timeout_rule = None
            row.is_watched = False
    return rows


def _set(field: str, rows: list[Row], values: Iterable[Any]) -> None:
    """Set one field of all rows without a step in Python for each."""
    deque(map(getattr(Row, field).__set__, rows, values), maxlen=0)


def _values(arrow: Any) -> list[Any]:
    values: list[Any] = arrow.to_pylist()
    return values


def _shared(arrow: Any) -> list[Any]:
    """Texts of which there are few: equal ones are one object."""
    return [None if text is None else sys.intern(text) for text in arrow.to_pylist()]


def _times(arrow: Any) -> list[tuple[int, ...]]:
    """Lists as tuples; mostly they are all empty."""
    values, bounds = _flat(arrow)
    if not values:
        return [()] * (len(bounds) - 1)
    return [tuple(values[begin:end]) for begin, end in pairwise(bounds)]


def _hashes(arrow: Any) -> list[bytes]:
    """Remembered ids as a row holds them: 8 bytes each, big-endian."""
    values, bounds = _flat(arrow)
    if sys.byteorder == "little":
        values.byteswap()
    whole = values.tobytes()
    places = [bound * HASH_BYTES for bound in bounds]
    return [whole[begin:end] for begin, end in pairwise(places)]


def _flat(arrow: Any) -> tuple[array[int], list[int]]:
    """Values of a column of lists one after the other, and where each list begins, with the end behind the last."""
    values = array("q")
    flat = arrow.values
    if len(flat):
        values.frombytes(memoryview(flat.buffers()[1])[flat.offset * 8 : (flat.offset + len(flat)) * 8])
    return values, arrow.offsets.to_pylist()


_POLICY_VERSION: Final = STORED.index("policy_version")
# Where two fields are equal, as touchpoints leave them, a row holds one object.
_OFTEN_EQUAL: Final = (
    (STORED.index("record_offset"), STORED.index("offset")),
    (STORED.index("last_touchpoint_at"), STORED.index("last_activity_at")),
)
_BY_FIELD: Final = {
    "policy_version": _shared,
    "state": _shared,
    "previous_outcome": _shared,
    "segment": _shared,
    "touchpoint_policy_version": _shared,
    "recent_ids": _hashes,
    "touchpoint_times": _times,
}
