"""The processor of a worker without the compiled engine: a batch's touchpoints and punctuations go by arrays.

Rows are columns (`journey_columns`). Whatever is no touchpoint or punctuation, and each batch with something in
it that is not plainly valid, is the reference's, which takes rows out and puts them back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np

from journeys.schemas.arrays import NONE, Integers
from journeys.schemas.codec import Codec
from journeys.schemas.columns import WORTHWHILE
from journeys.schemas.key_partitions import are_of_partition
from journeys.schemas.records import Punctuation
from journeys.schemas.touchpoint_arrays import NO_TOUCHPOINTS, TouchpointArrays, touchpoint_arrays, touchpoint_head
from journeys.streams.changes import Changes
from journeys.streams.columnar_partition import ColumnarPartition
from journeys.streams.gathered_outputs import GatheredOutputs
from journeys.streams.log_records import LogRecords
from journeys.streams.partition.abandonment_tally import Tally
from journeys.streams.partition.effects import Effects
from journeys.streams.partition.log_entries import log_entries
from journeys.streams.partition.processor import Processor
from journeys.streams.punctuations import Punctuations
from journeys.streams.rule.row import Row
from journeys.streams.segment import Segment
from journeys.streams.slot_index import Slots
from journeys.streams.stored_columns import stored_rows_of

# Below this many records a half is not worth another look.
_SMALL: Final = 64


class _Changed(dict[str, Row]):
    """Stands for the changed rows of a batch: what is put here goes into the columns, which have the others, too."""

    def __init__(self, partition: ColumnarPartition, changes: Changes) -> None:
        super().__init__()
        self._partition = partition
        self._changes = changes

    def __setitem__(self, journey_id: str, row: Row) -> None:
        self._partition.keep(row)
        slot = self._partition.slot_of(journey_id)
        self._changes.add(self._partition.columns, np.array([slot]), np.array([row.offset]))


class _Touchpoints(NamedTuple):
    """Touchpoints of a batch: their places among its records, those of the others, and what they say."""

    places: Integers
    others: list[int]
    arrays: TouchpointArrays
    slots: Slots
    offsets: Integers
    append_times: Integers
    earliest_from: Integers
    """Earliest occurred_at of each and all behind it (ms)."""


class ColumnarProcessor(Processor):
    """Applies batches of the log to one partition's state: what the reference gives, in less time."""

    fewest: ClassVar[int] = WORTHWHILE
    """Touchpoints of a batch from which on they go by arrays."""
    fewest_at_once: ClassVar[int] = 6
    """Touchpoints of as many journeys from which on they are applied together; fewer are quicker one by one."""
    partition: ColumnarPartition

    def begin(self) -> Effects:
        """Effects of nothing yet; the columns note which rows change."""
        partition = self.partition
        self._changes = Changes()
        self._outputs = GatheredOutputs(partition.columns.policies, partition.number, partition.codec)
        return Effects(changed=_Changed(partition, self._changes), booked=Tally())

    def complete(self, effects: Effects) -> Effects:
        """Give the effects of all batches since `begin`, with the rows as they are now."""
        partition, columns = self.partition, self.partition.columns
        slots = self._changes.in_order()
        effects.stored = stored_rows_of(columns, slots, partition.codec)
        effects.encoded = self._outputs.encoded()
        effects.changed = {}
        columns.is_changed[slots] = False
        vacated = np.unique(np.array(partition.vacated, np.int64))
        columns.release(vacated[~columns.exists[vacated]].tolist())
        partition.vacated.clear()
        return effects

    def apply_log(self, records: Sequence[Any], codec: Codec, effects: Effects) -> None:
        """Apply records as Kafka gives them, and add to the effects what they bring about."""
        touchpoints = self._touchpoints_of(records, codec)
        if touchpoints is None:
            if len(records) < _SMALL:
                self._apply_by_reference(records, codec, effects)
            else:  # what is in the way is in one half, mostly
                middle = len(records) // 2
                self.apply_log(records[:middle], codec, effects)
                self.apply_log(records[middle:], codec, effects)
            return
        stretch = _Stretch()
        others = touchpoints.others
        entries = log_entries([records[place] for place in others], codec)
        for place, (offset, _, _, record, _) in zip(others, entries, strict=True):
            punctuation = self._punctuation_of(record)
            if punctuation is not None and self._joins(stretch, punctuation.at, touchpoints):
                stretch.add(offset, punctuation.at)
                continue
            stretch.end = place
            self._apply_stretch(stretch, records, touchpoints, codec, effects)
            stretch = _Stretch(place)
            if punctuation is None:
                self._apply_by_reference(records[place : place + 1], codec, effects)
            else:
                stretch.add(offset, punctuation.at)
                stretch.end = place + 1
                self._apply_stretch(stretch, records, touchpoints, codec, effects)
            stretch = _Stretch(place + 1)
        stretch.end = len(records)
        self._apply_stretch(stretch, records, touchpoints, codec, effects)

    def _touchpoints_of(self, records: Sequence[Any], codec: Codec) -> _Touchpoints | None:
        """Touchpoints of a batch; None where they are few, and where something is not plainly valid."""
        partition = self.partition
        if len(records) < self.fewest or records[0].offset <= partition.applied_offset:
            return None
        found = records if isinstance(records, LogRecords) else LogRecords.of_objects(records)
        columns = found.columns(touchpoint_head(codec))
        if len(columns.keys) < self.fewest:
            return None
        arrays = touchpoint_arrays(columns.bodies, codec)
        if arrays is None or columns.keys != arrays.keys:
            return None
        slots = self._slots_of(arrays.keys)
        if slots is None:
            return None
        places = np.delete(np.arange(len(records)), columns.others)
        earliest_from = np.minimum.accumulate(arrays.occurred_at[::-1])[::-1]
        return _Touchpoints(places, columns.others, arrays, slots, columns.offsets, columns.append_times, earliest_from)

    def _slots_of(self, keys: Sequence[bytes]) -> Slots | None:
        """Slots of journeys; those without a row have one as well now. None where one is not this partition's."""
        partition, columns = self.partition, self.partition.columns
        find = columns.slots.get
        slots = np.array([find(key, -1) for key in keys], np.int64)
        unknown = np.flatnonzero(slots < 0)
        if len(unknown):
            new = [keys[place] for place in unknown.tolist()]
            if not are_of_partition(new, partition.number, partition.count):
                return None
            partition.vacated.extend(columns.new_slots(list(dict.fromkeys(new))).tolist())
            slots[unknown] = [columns.slots[key] for key in new]
        return slots

    def _punctuation_of(self, record: Any) -> Punctuation | None:
        """A record that is no touchpoint, if it is a punctuation that a segment may hold."""
        partition = self.partition
        if self._extends() or not isinstance(record, Punctuation) or partition.time_source != record.time_source:
            return None
        return record

    def _joins(self, stretch: _Stretch, at: int, touchpoints: _Touchpoints) -> bool:
        """Whether a punctuation joins a stretch that goes on behind it.

        Not where one of them may forget more journeys than a policy allows, or one whose end lies in the stretch. An
        end has the instant of a deadline or of a record; from there on a policy's memory counts.
        """
        partition, columns = self.partition, self.partition.columns
        if partition.clock is None:
            return False
        policies = partition.policies.values()
        earliest = columns.deadlines.quiet_until - max(policy.grace_ms for policy in policies)
        first = int(np.searchsorted(touchpoints.places, stretch.begin))
        if first < len(touchpoints.places):
            earliest = min(earliest, int(touchpoints.earliest_from[first]))
        clock = max(partition.clock, at, *stretch.clocks)
        return (
            clock < earliest + min(policy.cleanup_ms for policy in policies)
            and columns.cleanups.count_until(clock) <= partition.policy.cleanup.batch_size
        )

    def _apply_stretch(
        self, stretch: _Stretch, records: Sequence[Any], touchpoints: _Touchpoints, codec: Codec, effects: Effects
    ) -> None:
        """Apply touchpoints with punctuations between and behind them."""
        if stretch.end == stretch.begin:
            return
        partition = self.partition
        begin, end = np.searchsorted(touchpoints.places, (stretch.begin, stretch.end)).tolist()
        arrays, offsets = touchpoints.arrays.part(begin, end), touchpoints.offsets[begin:end]
        first, last = records[stretch.begin].offset, records[stretch.end - 1].offset
        is_ahead = any(at >= first for at in partition.policy_offsets.values())
        if is_ahead or not self._are_in_time(arrays.occurred_at, touchpoints.append_times[begin:end]):
            self._apply_by_reference(records[stretch.begin : stretch.end], codec, effects)
            return
        slots = touchpoints.slots[begin:end]
        segment = self._segment(arrays, slots, offsets, stretch, effects)

        def by_reference(place: int) -> None:
            clock, partition.clock = partition.clock, segment.clock(place)
            offset = int(offsets[place])
            self._journey_record(arrays.touchpoint(place), offset, arrays.keys[place], None, effects)
            self._outputs.take_records(effects, offset)
            partition.clock = clock

        effects.counts.punctuations += len(stretch.offsets)
        segment.apply(by_reference, self.fewest_at_once)
        partition.applied_offset = last

    def _are_in_time(self, occurred_at: Integers, append_times: Integers) -> bool:
        """Whether no touchpoint lies ahead of its append time, skew apart."""
        if self.partition.time_source == "simulated":
            return True
        latest = append_times + self.partition.policy.future_skew_ms
        return bool(((append_times == NONE) | (occurred_at <= latest)).all())

    def _apply_by_reference(self, records: Sequence[Any], codec: Codec, effects: Effects) -> None:
        for entry in log_entries(records, codec):
            self.apply([entry], effects)
            self._outputs.take_records(effects, entry[0])

    def punctuate(self, at: int, offset: int, effects: Effects) -> None:
        """Move the clock to `at` (ms) unless it is further, fire what is due, and clean up."""
        if self._extends():
            super().punctuate(at, offset, effects)
            return
        stretch = _Stretch()
        stretch.add(offset, at)
        nothing = np.empty(0, np.int64)
        self._segment(NO_TOUCHPOINTS, nothing, nothing, stretch, effects).punctuate()

    def _segment(
        self, touchpoints: TouchpointArrays, slots: Slots, offsets: Integers, stretch: _Stretch, effects: Effects
    ) -> Segment:
        partition = self.partition
        punctuations = stretch.punctuations(partition.clock)
        return Segment(partition, touchpoints, slots, offsets, punctuations, effects, self._outputs, self._changes)

    def _extends(self) -> bool:
        """Whether a policy may extend episodes: by single touchpoints, and some end at the same punctuation."""
        return any(policy.extension for policy in self.partition.policies.values())

    def _changed(self, row: Row, offset: int, effects: Effects) -> None:
        """Keep a row that changed at a record of its journey."""
        row.offset = offset
        effects.changed[row.journey_id] = row
        if effects.forgotten:
            effects.forgotten.pop(row.journey_id, None)


class _Stretch:
    """Places of a batch, from `begin` to before `end`, and the punctuations among them."""

    def __init__(self, begin: int = 0) -> None:
        self.begin = self.end = begin
        self.offsets: list[int] = []
        self.clocks: list[int] = []

    def add(self, offset: int, at: int) -> None:
        """A punctuation."""
        self.offsets.append(offset)
        self.clocks.append(at)

    def punctuations(self, clock: int | None) -> Punctuations:
        """The punctuations, none of which puts the clock back."""
        clocks = np.array(self.clocks, np.int64)
        if clock is not None:
            clocks = np.maximum(clocks, clock)
        return Punctuations(np.array(self.offsets, np.int64), np.maximum.accumulate(clocks))
