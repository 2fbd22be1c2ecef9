"""The processor of a worker without the compiled engine: touchpoints by columns, most of them without a record of each.

In one loop over the columns stands once more what the rule says of the commonest touchpoints: those that begin an
episode, and those that only count in one (`decide.only_counts`, `evolve.apply_touchpoint`). All others, and all that is
no touchpoint, are the reference's, and so are deadlines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Final, TypeAlias

from schemas.codec import Codec
from schemas.columns import WORTHWHILE
from schemas.input_columns import InputColumns, input_columns
from schemas.key_partitions import are_of_partition
from schemas.money import LARGEST_SUM_MICROS
from schemas.records import CONVERTED, Touchpoint
from streams.effects import Effects
from streams.evolve import begin
from streams.log_entries import append_time_of
from streams.processor import Processor
from streams.row import HASH_BYTES, REMEMBERED_IDS, Row

_REMEMBERED_BYTES: Final = REMEMBERED_IDS * HASH_BYTES
_OCCURRED_AT: Final = Touchpoint._fields.index("occurred_at")
_Fields: TypeAlias = tuple[Any, ...]
"""A record as Kafka gives it, the hash of its touchpoint's id, and the fields of the touchpoint that are columns."""


class ColumnProcessor(Processor):
    """Applies batches of the log to one partition's state: what the reference gives, in less time."""

    fewest: ClassVar[int] = WORTHWHILE
    """Touchpoints of a batch from which on they go by columns."""
    _is_home = False
    """Whether the touchpoints that are applied now are known to be in their partition."""

    def apply_log(self, records: Sequence[Any], codec: Codec, effects: Effects) -> None:
        """Apply records as Kafka gives them, and add to the effects what they bring about."""
        partition = self.partition
        columns = input_columns([record.value for record in records], codec, self.fewest)
        if (
            columns is None
            or records[0].offset <= partition.applied_offset
            or not are_of_partition(columns.keys, partition.number, partition.count)
        ):
            super().apply_log(records, codec, effects)
            return
        place = done = 0
        for first, count in columns.runs:
            if first > place:
                super().apply_log(records[place:first], codec, effects)
            place = first + count
            run, rows = records[first:place], slice(done, done + count)
            if self._are_own(run, columns, rows):
                self._apply_run(_zipped(run, columns, rows), effects)
                partition.applied_offset = run[-1].offset
            else:
                super().apply_log(run, codec, effects)
            done += count
        if place < len(records):
            super().apply_log(records[place:], codec, effects)

    def _are_own(self, run: Sequence[Any], columns: InputColumns, rows: slice) -> bool:
        """Whether `require_own` has nothing to say of any of these touchpoints."""
        if [record.key for record in run] != columns.keys[rows]:
            return False
        if self.partition.time_source == "simulated":
            return True
        skew_ms = self.partition.policy.future_skew_ms
        appended, instants = map(append_time_of, run), columns.fields[_OCCURRED_AT][rows]
        return all(time is None or at <= time + skew_ms for time, at in zip(appended, instants, strict=True))

    def require_home(self, key: bytes | None) -> None:
        """As the reference's, which murmur2 takes a while to answer for each key by itself."""
        if not self._is_home:
            super().require_home(key)

    def _apply_run(self, run: Iterator[_Fields], effects: Effects) -> None:
        """Apply touchpoints of this partition, under their own keys, with nothing else between them."""
        find, changed = self.partition.rows.get, effects.changed
        applied = 0
        self._is_home = True
        for fields in run:
            record, id_hash, journey_id, _, _, occurred_at, state, cost, chance, value, action, version, share = fields
            row = find(journey_id)
            if row is None or not row.open:
                row = self._opened(row, fields, effects)
            offset = record.offset
            if (
                row is None
                or offset <= row.offset
                or occurred_at >= row.started_at + row.lasts_ms  # 0 where no episode is open
                or occurred_at >= row.last_activity_at + row.inactivity_in_force_ms
                or state == CONVERTED
                or (row.late_until is not None and occurred_at <= row.late_until)
                or row.recent_ids.count(id_hash)  # `in` takes twice as long: it asks first whether this is a number
                or row.is_watched
            ):
                self._journey_record(_touchpoint(fields), offset, record.key, None, effects)
                continue
            row.offset = row.record_offset = offset
            row.touchpoint_count += 1
            total_cost_micros = row.total_cost_micros + cost
            row.total_cost_micros = total_cost_micros if total_cost_micros < LARGEST_SUM_MICROS else LARGEST_SUM_MICROS  # noqa: FURB136
            row.recent_ids = (row.recent_ids + id_hash)[-_REMEMBERED_BYTES:]
            latest_at = row.last_touchpoint_at
            if latest_at is None or occurred_at >= latest_at:
                row.last_touchpoint_at = occurred_at
                if occurred_at > row.last_activity_at:  # noqa: PLR1730  (as in apply_touchpoint)
                    row.last_activity_at = occurred_at
                if state is not None:
                    row.state = state
                if chance is not None:
                    row.conversion_probability = chance
                if value is not None:
                    row.conversion_value_micros = value
                if action is not None:
                    row.action_id = action
                if version is not None:
                    row.touchpoint_policy_version = version
                if share is not None:
                    row.propensity = share
            changed[journey_id] = row
            applied += 1
        self._is_home = False
        effects.counts.applied += applied

    def _opened(self, row: Row | None, fields: _Fields, effects: Effects) -> Row | None:
        """Begin an episode, for the touchpoint to be applied to; where the reference must, give the row as it is."""
        record, id_hash, journey_id, user_id, touchpoint_id, occurred_at, state, *_ = fields
        partition, offset = self.partition, record.offset
        if row is None:
            forgotten_until = partition.forgotten_until(offset)
            if forgotten_until is not None and occurred_at <= forgotten_until:
                return None
            row = Row(journey_id, partition.policy)
        elif (
            offset <= row.offset
            or row.late_until is None
            or occurred_at <= row.late_until
            or row.recent_ids.count(id_hash)
            or partition.counts_as_absent(row, occurred_at)
        ):
            return row
        begin(row, occurred_at, user_id, partition.policy)
        row.is_return = row.previous_was_abandoned
        row.derive()
        clock = partition.clock
        detected_at = occurred_at if clock is None else max(clock, occurred_at)
        if row.is_return:
            name, at_once = touchpoint_id.decode(), state == CONVERTED
            said = self._publisher.returned(row, name, detected_at, offset, converts_at_once=at_once)
        else:
            said = self._publisher.started(row, detected_at, offset)
        effects.lifecycle.append(said)
        partition.count_opened(1)
        partition.keep(row)
        if effects.forgotten:
            effects.forgotten.pop(journey_id, None)
        return row


def _zipped(run: Sequence[Any], columns: InputColumns, rows: slice) -> Iterator[_Fields]:
    """Touchpoints of a run, which are these rows of the columns."""
    return zip(run, columns.id_hashes[rows], *(column[rows] for column in columns.fields if column), strict=True)


def _touchpoint(fields: _Fields) -> Touchpoint:
    """The touchpoint without its channel and event type, which no rule looks at."""
    _, _, journey_id, user_id, touchpoint_id, occurred_at, *last_given = fields
    return Touchpoint(journey_id, user_id, touchpoint_id.decode(), occurred_at, None, None, *last_given)
