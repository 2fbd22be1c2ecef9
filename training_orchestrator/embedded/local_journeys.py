"""One partition over a local log: the rule of a worker, with a file instead of Kafka.

A record is appended first and applied once it is on the disk. Outputs are stored at once, rows from time to time; after
a crash a restart computes the missing ones from the rest of the input. Not thread-safe: one thread at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Final

from journeys.schemas.codec import Codec, schema_id_of
from journeys.schemas.columns import load
from journeys.schemas.instants import DAY_MS
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import (
    InputRecord,
    JourneyAbandoned,
    JourneyRecord,
    JourneyRegistered,
    PolicyChanged,
    Punctuation,
)
from journeys.schemas.rows import PolicyRow, journey_key, journey_of, policy_key
from journeys.schemas.validation import check_input
from journeys.streams.compiled.engine_choice import REFERENCE, Engine
from journeys.streams.partition.changelog import stored_partition
from journeys.streams.partition.effects import Counts, Effects
from journeys.streams.partition.entry import EntryFields
from journeys.streams.partition.garbage_collector import kept_for_ever
from journeys.streams.partition.record_processor import require_not_ahead
from journeys.streams.partition.restore import Restore
from journeys.streams.rule.clock import RULE_VERSION
from journeys.streams.rule.policy import DEFAULT_POLICY, Policy
from journeys.streams.rule.row import Row, stored_columns
from training_orchestrator.api.answers import StoreUnavailableError
from training_orchestrator.embedded.checked_clock import CheckedClock
from training_orchestrator.embedded.local_log import LocalLog, LoggedInput, LoggedOutput
from training_orchestrator.embedded.local_processor import LocalRecord, local_processor
from training_orchestrator.embedded.logged_outputs import encoded, logged_outputs

_ROWS_UNTIL_STORED: Final = 20_000
_WRITTEN_BY: Final = "training_orchestrator"


class LocalJourneys:
    """The journeys of one file.

    `engine` applies the records; the file's content is the same under each engine.
    """

    def __init__(
        self,
        path: Path,
        policy: Policy | None,
        now: CheckedClock,
        engine: Engine = REFERENCE,
    ) -> None:
        """`policy` is put in force unless it is the last one that a manager put in force here; None changes nothing."""
        self.log = LocalLog(path)
        self.counts = Counts()
        self.codec = Codec()
        self._processor = local_processor(engine, self.codec)
        self.partition = self._processor.partition
        self._policy = policy
        self._now = now
        self._time_source = now.time_source
        self._engine = engine
        # Rows to be stored: of the reference by journey, of the engine by key with their bytes (None: deleted).
        self._changed: set[str] = set()
        self._rows: dict[bytes, bytes | None] = {}
        self._policies: list[PolicyRow] = []
        self._outputs: list[LoggedOutput] = []

    def open(self) -> list[JourneyAbandoned]:
        """Restore the state, put the policy in force, and fire overdue deadlines, each once.

        Gives the abandonments that were not stored before: those lost in a crash, and those of overdue deadlines.
        Raises StoreUnavailableError, StoreInUseError, and InvalidRecordError for a clock that is not allowed; then
        nothing is written.
        """
        self._now()
        self.log.open()
        load()
        abandonments: list[JourneyAbandoned] = []
        try:
            self._restore()
            for batch in self.log.entries(self.partition.applied_offset + 1, self.codec):
                stored_to = self.log.stored_to
                for (offset, *_), effects in zip(batch, self._process(batch), strict=True):
                    if offset > stored_to and not self.log.is_rebuilt:
                        abandonments += effects.abandonments
                self._store()
            self._require_time_source()
            self._now.opens(self.partition.clock)
            self._put_in_force()
            abandonments += self.punctuate().abandonments
            self.store_rows()
        except BaseException:
            self.log.close()
            raise
        return abandonments

    def close(self) -> None:
        """Store the state and close the file. Raises StoreUnavailableError."""
        try:
            self.store_rows()
        finally:
            self.log.close()

    def join(self, policy: Policy | None, now: CheckedClock) -> list[Effects]:
        """Another manager uses this store from now on: put its policy in force as `open` does, and take its clock.

        Raises as `open`.
        """
        now()
        if now.time_source != self._time_source:
            raise self._of_another_time(self._time_source, now.time_source)
        self._now.takes(now)
        self._policy = policy
        return self._put_in_force()

    def _put_in_force(self) -> list[Effects]:
        policy = self._policy
        if policy is None or self.partition.policy == policy or self._was_last_put_in_force(policy):
            return []
        return self.change_policy(policy, _WRITTEN_BY)

    def apply(self, records: Sequence[InputRecord]) -> list[Effects]:
        """Validate and append records, all or none, then apply them; gives the effects of each.

        Raises InvalidRecordError, StoreUnavailableError; then nothing is appended.
        """
        (applied,) = self.apply_calls([records])
        if isinstance(applied, InvalidRecordError):
            raise applied
        return applied

    def apply_calls(self, calls: Sequence[Sequence[InputRecord]]) -> list[list[Effects] | InvalidRecordError]:
        """Apply several calls in one commit; an invalid record fails its own call only.

        Gives for each call the effects of its records, or its error. Raises StoreUnavailableError.
        """
        append_time = self._now()
        errors = [self._error_of(records, append_time) for records in calls]
        valid = [record for records, error in zip(calls, errors, strict=True) if error is None for record in records]
        applied = iter(self._append(valid, append_time) if valid else ())
        return [
            list(islice(applied, len(records))) if error is None else error
            for records, error in zip(calls, errors, strict=True)
        ]

    def _error_of(self, records: Sequence[InputRecord], append_time: int) -> InvalidRecordError | None:
        """Error of the first record that the rule would make a dead letter: then none of its call is appended."""
        policy = self.partition.policy
        latest = append_time + policy.future_skew_ms
        try:
            for record in records:
                check_input(record)
                if self._time_source == "live" and isinstance(record, JourneyRecord):
                    require_not_ahead(record, latest)
                if isinstance(record, JourneyRegistered):
                    _require_below_cap(record, policy)
        except InvalidRecordError as error:
            return error
        return None

    def _append(self, records: Sequence[InputRecord], append_time: int) -> list[Effects]:
        inputs = [LoggedInput(_key_of(record), append_time, value) for record, value in encoded(records, self.codec)]
        first = self.log.append(inputs)
        applied = self._process(
            [
                (offset, logged.key, append_time, record, logged.value)
                for offset, (logged, record) in enumerate(zip(inputs, records, strict=True), start=first)
            ]
        )
        self._store()
        return applied

    def change_policy(self, policy: Policy, requested_by: str) -> list[Effects]:
        """Append PolicyChanged and apply it; raises as `apply`."""
        return self.apply([PolicyChanged(policy.version, policy.to_json(), self._now(), requested_by)])

    def policies(self) -> tuple[Policy, dict[str, Policy]]:
        """The policy in force, and all policies of the log by version."""
        return self.partition.policy, dict(self.partition.policies)

    def punctuate(self) -> Effects:
        """Append a punctuation at the present time, which fires due deadlines; raises as `apply`."""
        return self.apply([Punctuation(self._now(), self._time_source, _WRITTEN_BY, RULE_VERSION)])[0]

    def punctuation_due_at(self, interval_ms: int) -> int:
        """When the next punctuation is due (ms): at a deadline plus grace, and an interval after the last one."""
        at = (self.partition.clock or 0) + interval_ms
        due_at = self.partition.next_due_at()
        return at if due_at is None else min(at, due_at)

    def changed(self, applied: Iterable[Effects]) -> list[str]:
        """Journeys that records have changed or deleted, each once."""
        journeys: dict[str, None] = {}
        for effects in applied:
            journeys.update(dict.fromkeys((*effects.changed, *effects.deleted)))
            journeys.update((name, None) for row in effects.stored if (name := journey_of(row.key)) is not None)
        return list(journeys)

    def row(self, journey_id: str) -> Row | None:
        """Row of a journey; None for one that is unknown or counts as absent."""
        row = self.partition.rows.get(journey_id)
        return None if row is None or self.partition.counts_as_absent(row, self._now()) else row

    def abandonments_since(self, at: int) -> list[JourneyAbandoned]:
        """Abandonments detected at `at` (ms) or later, in the order of the log. Raises StoreUnavailableError."""
        self._store_outputs()
        return [self.codec.decode(value) for value in self.log.abandonments_since(at)]

    def store_rows(self) -> None:
        """Store outputs and rows with their offset, in one transaction. Raises StoreUnavailableError."""
        partition = self.partition
        changed = [row for name in self._changed if (row := partition.rows.get(name)) is not None]
        deleted_keys = [journey_key(name) for name in self._changed if name not in partition.rows]
        rows = [(policy_key(row.policy_version), self.codec.encode(row)) for row in self._policies]
        rows += [(key, value) for key, value in self._rows.items() if value is not None]
        deleted_keys += [key for key, value in self._rows.items() if value is None]
        if changed:
            values = self.codec.encode_columns("JourneyRow", stored_columns(changed))
            rows.extend((journey_key(row.journey_id), value) for row, value in zip(changed, values, strict=True))
        own = stored_partition(partition, self.codec)
        assert own.value is not None
        rows.append((own.key, own.value))
        self.log.store(self._outputs, rows, deleted_keys)
        self._outputs.clear()
        self._policies.clear()
        self._changed.clear()
        self._rows.clear()

    def _restore(self) -> None:
        restore = Restore()
        for batch in self.log.rows():
            restore.add_all(batch)
        # Each full garbage collection over a million rows would block the trainer's event loop.
        with kept_for_ever() if self._engine.compiled is None else nullcontext():
            restore.onto(self.partition, self.codec)
        # A later release then knows the schemas of all stored rows.
        schema_rows = [(row.key, row.value) for row in restore.missing_schemas(self.codec) if row.value is not None]
        if schema_rows:
            self.log.store((), schema_rows)

    def _was_last_put_in_force(self, policy: Policy) -> bool:
        """Whether a manager put this policy in force last: then the present one was put in force by somebody else."""
        for value in self.log.newest_without_key():
            if self.codec.catalog.writer(schema_id_of(value)).name == "PolicyChanged":
                changed: PolicyChanged = self.codec.decode(value)
                if changed.requested_by == _WRITTEN_BY:
                    return changed.policy_version == policy.version
        return policy == DEFAULT_POLICY  # a new store's

    def _require_time_source(self) -> None:
        time_source = self.partition.time_source
        if time_source is not None and time_source != self._time_source:
            raise self._of_another_time(time_source, self._time_source)

    def _of_another_time(self, kept: str, wanted: str) -> StoreUnavailableError:
        return StoreUnavailableError(f"{self.log.path} keeps {kept} time, this manager {wanted} time: use another file")

    def _process(self, entries: Sequence[EntryFields]) -> list[Effects]:
        """Apply entries one by one, so that outputs keep their order in the log; collect what is to be stored."""
        process = self._processor.process
        applied = [process([LocalRecord._make(entry)]) for entry in entries]
        self._outputs += logged_outputs(applied, [entry[0] for entry in entries], self.codec)
        for effects in applied:
            self.counts.add(effects.counts)
            self._policies.extend(effects.policies)
            if self._engine.compiled is None:
                self._changed.update(effects.changed)
                self._changed.update(effects.deleted)
            else:
                self._rows.update((row.key, row.value) for row in effects.stored)
                self._rows.update((journey_key(name), None) for name in effects.deleted)
        return applied

    def _store(self) -> None:
        """Store outputs for readers, and many rows. A failure is made up for later: the input is in the log."""
        try:
            if len(self._changed) + len(self._rows) >= _ROWS_UNTIL_STORED:
                self.store_rows()
            else:
                self._store_outputs()
        except StoreUnavailableError:
            return

    def _store_outputs(self) -> None:
        if self._outputs:
            self.log.store(self._outputs)
            self._outputs.clear()


def _require_below_cap(record: JourneyRegistered, policy: Policy) -> None:
    if record.timeout_ms is not None and record.timeout_ms > policy.max_journey_duration_ms:
        most = policy.deadlines.max_journey_duration_days
        raise InvalidRecordError(
            "timeout_days", record.timeout_ms / DAY_MS, f"at most {most}, the policy's max_journey_duration_days"
        )


def _key_of(record: InputRecord) -> bytes | None:
    return record.journey_id.encode() if isinstance(record, JourneyRecord) else None
