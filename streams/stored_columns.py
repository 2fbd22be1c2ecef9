"""Rows as columns to their wire bytes, and back from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from journeys.schemas.arrays import (
    Integers,
    arrow_array,
    codes_of,
    integers_of,
    numbers_of,
    objects,
    shared_of,
    texts_of,
)
from journeys.schemas.codec import Codec, head_of
from journeys.schemas.columns import WORTHWHILE
from journeys.schemas.records import STATES
from journeys.schemas.rows import journey_key
from journeys.streams.arrow_messages import ArrowMessages
from journeys.streams.compiled.encoded_messages import EncodedMessages
from journeys.streams.journey_columns import NO_OUTCOME, NUMBERS, OUTCOMES, UNAWARE, JourneyColumns
from journeys.streams.rule.policy import Policy
from journeys.streams.rule.row import REMEMBERED_IDS, STORED
from journeys.streams.single_rows import row_of
from journeys.streams.slot_index import Slots
from journeys.streams.stored.restored_rows import StoredEntry, chunks_of, place_of, policy_of, row_arrays
from journeys.streams.stored.stored_row import StoredRow

_NAME: Final = "JourneyRow"
_FLAGS: Final = ("open", "is_return")
_IDS: Final = ("user_id", "action_id")
_PLACES: Final = np.arange(REMEMBERED_IDS)
_LONGS: Final = pa.list_(pa.int64())


def stored_rows_of(columns: JourneyColumns, slots: Slots, codec: Codec) -> Sequence[StoredRow]:
    """Changelog records of rows."""
    if not codec.catalog.writer(codec.catalog.id_of(_NAME)).has_columns or len(slots) < WORTHWHILE:
        rows = [row_of(columns, slot) for slot in slots.tolist()]
        return [
            StoredRow(journey_key(row.journey_id), codec.encode_fields(_NAME, row.stored()), row.offset) for row in rows
        ]
    bodies = codec.encode_bodies(_NAME, [_array(columns, field, slots) for field in STORED])
    keys = pa.array(columns.journey_id[slots], pa.binary())
    head = head_of(codec.catalog.id_of(_NAME))
    messages = ArrowMessages(journey_key(""), keys, head, bodies, columns.offset[slots])
    return EncodedMessages(messages, StoredRow._make)


def _array(columns: JourneyColumns, field: str, slots: Slots) -> Any:
    """One field of rows as an Arrow array."""
    if field == "policy_version":
        return columns.policies.versions(columns.policy[slots])
    if field == "recent_ids":
        return _remembered(columns, slots)
    if field == "touchpoint_times":
        times = columns.touchpoint_times
        held = [times.get(slot, ()) for slot in slots.tolist()] if times else [()] * len(slots)
        return pa.array(held, _LONGS)
    values = getattr(columns, field)[slots]
    if field == "state":
        return pa.array(STATES, pa.string()).take(pa.array(values))
    if field == "previous_outcome":
        return pa.array(OUTCOMES, pa.string()).take(pa.array(values, mask=values == NO_OUTCOME))
    return arrow_array(values)


def _remembered(columns: JourneyColumns, slots: Slots) -> Any:
    """Remembered ids, oldest first."""
    counts = columns.id_count[slots].astype(np.int64)
    begins = np.where(counts >= REMEMBERED_IDS, counts, 0)
    ids = np.take_along_axis(columns.recent_ids[slots], (_PLACES + begins[:, None]) % REMEMBERED_IDS, 1)
    held = np.minimum(counts, REMEMBERED_IDS)
    bounds = np.zeros(len(slots) + 1, np.int32)
    np.cumsum(held, out=bounds[1:])
    longs = ids[held[:, None] > _PLACES].view(np.int64)
    return pa.ListArray.from_arrays(pa.array(bounds), pa.array(longs), _LONGS)


def put_stored(
    stored: Iterable[StoredEntry], columns: JourneyColumns, policies: Mapping[str, Policy], codec: Codec
) -> Iterator[Sequence[StoredEntry]]:
    """Put rows given as journeys with their wire bytes into columns; yields those that are to be put one by one.

    Raises UnreadableRowError where a row names a policy that is not there.
    """
    for alike, others in chunks_of(stored, codec):
        arrays = row_arrays(alike, codec)
        if arrays is None:
            yield [*alike, *others]
            continue
        _put(dict(zip(STORED, arrays, strict=True)), alike, columns, policies)
        if others:
            yield others


def _put(
    arrays: dict[str, Any], entries: Sequence[StoredEntry], columns: JourneyColumns, policies: Mapping[str, Policy]
) -> None:
    coded = arrays.pop("policy_version").dictionary_encode()
    codes = coded.indices.to_numpy()
    numbers = [
        columns.policies.number_of(policy_of(policies, version, place_of(entries[int(np.argmax(codes == code))][0])))
        for code, version in enumerate(coded.dictionary.to_pylist())
    ]
    keys = [journey_id.encode() for journey_id, _ in entries]
    known = columns.slots
    columns.new_slots([key for key in keys if key not in known])
    slots = np.fromiter((known[key] for key in keys), np.int64, len(keys))
    columns.drop(slots[columns.exists[slots]].tolist())
    columns.clear(slots)
    columns.policy[slots] = np.array(numbers, np.int32)[codes]
    ids, bounds = _flat(arrays.pop("recent_ids"))
    held = np.diff(bounds)
    ring = np.zeros((len(slots), REMEMBERED_IDS), np.uint64)
    ring[held[:, None] > _PLACES] = ids.view(np.uint64)
    columns.recent_ids[slots] = ring
    columns.id_count[slots] = held
    times, bounds = _flat(arrays.pop("touchpoint_times"))
    for place in np.flatnonzero(np.diff(bounds)).tolist():
        columns.touchpoint_times[int(slots[place])] = tuple(times[bounds[place] : bounds[place + 1]].tolist())
    for field, array in arrays.items():
        getattr(columns, field)[slots] = _values(field, array)
    columns.exists[slots] = True
    columns.row_count += len(slots)
    opened = slots[columns.open[slots]]
    columns.open_count += len(opened)
    columns.derive(opened)
    columns.file(slots)


def _values(field: str, array: Any) -> Any:
    """One field of many rows as its column holds it."""
    if field in _FLAGS:
        return array.to_numpy(zero_copy_only=False)
    if field in NUMBERS:
        return numbers_of(array)
    if field in _IDS:
        return objects(texts_of(array))
    if field == "touchpoint_policy_version":
        return shared_of(array)
    if field == "state":
        return codes_of(array, STATES, UNAWARE)
    if field == "previous_outcome":
        return codes_of(array, OUTCOMES, NO_OUTCOME)
    return integers_of(array)


def _flat(array: Any) -> tuple[Integers, Integers]:
    """Values of a column of lists one after the other, and where each list begins, with the end behind the last."""
    bounds = array.offsets.to_numpy()
    return array.values.to_numpy()[bounds[0] : bounds[-1]], bounds - bounds[0]
