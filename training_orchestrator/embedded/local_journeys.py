"""One partition over a local log: the rule that a worker runs, with a file in Kafka's place.

A record is appended first and applied when it is on the disk. What it brings about is determined then: outputs are
stored at once, rows now and then, and a restart makes up for whatever a crash has cut off by reading the rest of the
input. Not thread-safe: one thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Final

from journeys.schemas.codec import Codec, schema_id_of
from journeys.schemas.columns import load
from journeys.schemas.records import InputRecord, JourneyAbandoned, PolicyChanged, Punctuation
from journeys.schemas.rows import PolicyRow, journey_key, journey_of, policy_key
from journeys.streams.compiled.engine_choice import REFERENCE, Engine
from journeys.streams.partition.changelog import Restore, stored_partition
from journeys.streams.partition.effects import Counts, Effects
from journeys.streams.partition.entry import EntryFields
from journeys.streams.partition.garbage_collector import kept_for_ever
from journeys.streams.rule.policy import DEFAULT_POLICY, Policy
from journeys.streams.rule.row import Row, stored_columns
from training_orchestrator.api.answers import StoreUnavailableError
from training_orchestrator.embedded.local_log import LocalLog, LoggedInput, LoggedOutput
from training_orchestrator.embedded.local_processor import LocalRecord, local_processor
from training_orchestrator.embedded.logged_outputs import encoded, logged_outputs

_PUNCTUATE_AT_LEAST_EVERY_MS: Final = 60_000  # as a worker does, so that old journeys are forgotten on quiet days
_ROWS_UNTIL_STORED: Final = 20_000
_WRITTEN_BY: Final = "training_orchestrator"


class LocalJourneys:
    """Journeys of one file. `now` gives the present in epoch milliseconds, `time_source` says what kind it is.

    `engine` applies the records; the file is the same whichever does.
    """

    def __init__(
        self,
        path: Path,
        policy: Policy | None,
        now: Callable[[], int],
        time_source: str,
        engine: Engine = REFERENCE,
    ) -> None:
        """`policy` is brought unless it was the last to be brought here; None leaves in force what is."""
        self.log = LocalLog(path)
        self.counts = Counts()
        self.codec = Codec()
        self._processor = local_processor(engine, self.codec)
        self.partition = self._processor.partition
        self._policy = policy
        self._now = now
        self._time_source = time_source
        self._engine = engine
        # Journeys whose rows are to be stored: live objects, or as the engine gives them (None: deleted).
        self._touched: set[str] = set()
        self._rows: dict[bytes, bytes | None] = {}
        self._policies: list[PolicyRow] = []
        self._outputs: list[LoggedOutput] = []

    def open(self) -> list[JourneyAbandoned]:
        """Come back to where the file says, bring the policy, and fire what is overdue: each deadline once.

        Gives the abandonments that were not stored before: those that a crash cut off, and the overdue.
        Raises StoreUnavailableError, StoreInUseError.
        """
        self.log.open()
        load()
        found: list[JourneyAbandoned] = []
        try:
            self._restore()
            for batch in self.log.entries(self.partition.applied_offset + 1, self.codec):
                known_to = self.log.stored_to
                for (offset, *_), effects in zip(batch, self._process(batch), strict=True):
                    if offset > known_to and not self.log.is_rebuilt:
                        found += effects.abandonments
                self._store_if_wanted()
            self._require_time_source()
            if (
                self._policy is not None
                and self.partition.policy != self._policy
                and not self._has_brought(self._policy)
            ):
                self.change_policy(self._policy, _WRITTEN_BY)
            found.extend(self.punctuate().abandonments)
            self.store_rows()
        except BaseException:
            self.log.close()
            raise
        return found

    def close(self) -> None:
        """Store where the rule stands, and give the file back. Raises StoreUnavailableError."""
        try:
            self.store_rows()
        finally:
            self.log.close()

    def apply(self, records: Sequence[InputRecord]) -> list[Effects]:
        """Append valid records, all or none, then apply them; gives the effects of each.

        Raises StoreUnavailableError, and then nothing has happened.
        """
        append_time = self._now()
        inputs = [LoggedInput(_key_of(record), append_time, value) for record, value in encoded(records, self.codec)]
        first = self.log.append(inputs)
        applied = self._process(
            [
                (offset, logged.key, append_time, record, logged.value)
                for offset, (logged, record) in enumerate(zip(inputs, records, strict=True), start=first)
            ]
        )
        self._store_if_wanted()
        return applied

    def change_policy(self, policy: Policy, requested_by: str) -> list[Effects]:
        """Append PolicyChanged and apply it. Raises as `apply`."""
        return self.apply([PolicyChanged(policy.version, policy.to_json(), self._now(), requested_by)])

    def policies(self) -> tuple[Policy, dict[str, Policy]]:
        """The policy in force, and all that the log knows by their versions."""
        return self.partition.policy, dict(self.partition.policies)

    def punctuate(self) -> Effects:
        """Append the present as a record, and so fire what is due. Raises as `apply`."""
        return self.apply([Punctuation(self._now(), self._time_source, _WRITTEN_BY)])[0]

    def punctuation_due_at(self) -> int:
        """When the next punctuation has something to do (ms): a deadline plus grace, and at least every minute."""
        at = (self.partition.clock or 0) + _PUNCTUATE_AT_LEAST_EVERY_MS
        due_at = self.partition.next_due_at()
        return at if due_at is None else min(at, due_at)

    def changed(self, applied: Iterable[Effects]) -> list[str]:
        """Journeys that records have changed or deleted."""
        found: dict[str, None] = {}
        for effects in applied:
            found.update(dict.fromkeys((*effects.changed, *effects.forgotten)))
            found.update((name, None) for row in effects.stored if (name := journey_of(row.key)) is not None)
        return list(found)

    def row(self, journey_id: str) -> Row | None:
        """Row of a journey that is known; None where it was never seen or counts as absent."""
        row = self.partition.rows.get(journey_id)
        return None if row is None or self.partition.counts_as_absent(row, self._now()) else row

    def abandonments_since(self, at: int) -> list[JourneyAbandoned]:
        """Abandonments detected at `at` (ms) or later, as they came. Raises StoreUnavailableError."""
        self._store_outputs()
        return [self.codec.decode(value) for value in self.log.abandonments_since(at)]

    def store_rows(self) -> None:
        """Store outputs and rows, in one step with what they stand for. Raises StoreUnavailableError."""
        partition = self.partition
        changed = [row for name in self._touched if (row := partition.rows.get(name)) is not None]
        forgotten = [journey_key(name) for name in self._touched if name not in partition.rows]
        rows = [(policy_key(row.policy_version), self.codec.encode(row)) for row in self._policies]
        rows += [(key, value) for key, value in self._rows.items() if value is not None]
        forgotten += [key for key, value in self._rows.items() if value is None]
        if changed:
            values = self.codec.encode_columns("JourneyRow", stored_columns(changed))
            rows.extend((journey_key(row.journey_id), value) for row, value in zip(changed, values, strict=True))
        own = stored_partition(partition, self.codec)
        assert own.value is not None
        rows.append((own.key, own.value))
        self.log.store(self._outputs, rows, forgotten)
        self._outputs.clear()
        self._policies.clear()
        self._touched.clear()
        self._rows.clear()

    def _restore(self) -> None:
        restore = Restore()
        for batch in self.log.rows():
            restore.add_all(batch)
        # A million rows in the collector's sight would hold the trainer's loop at each of its full collections.
        with kept_for_ever() if self._engine.compiled is None else nullcontext():
            restore.onto(self.partition, self.codec)
        # So that a later release knows the schemas of all rows that it finds.
        told = [(row.key, row.value) for row in restore.missing_schemas(self.codec) if row.value is not None]
        if told:
            self.log.store((), told)

    def _has_brought(self, policy: Policy) -> bool:
        """Whether the last policy that a configuration brought is this one: then somebody else has changed it since."""
        for value in self.log.newest_of_no_journey():
            if self.codec.catalog.writer(schema_id_of(value)).name == "PolicyChanged":
                changed: PolicyChanged = self.codec.decode(value)
                if changed.requested_by == _WRITTEN_BY:
                    return changed.policy_version == policy.version
        return policy == DEFAULT_POLICY  # which a store begins with

    def _require_time_source(self) -> None:
        kept = self.partition.time_source
        if kept is not None and kept != self._time_source:
            raise StoreUnavailableError(
                f"{self.log.path} keeps {kept} time, and this manager's is {self._time_source}: use another file"
            )

    def _process(self, entries: Sequence[EntryFields]) -> list[Effects]:
        """Apply entries, each by itself, so that outputs come in the order that they had; note what is to be stored."""
        process = self._processor.process
        applied = [process([LocalRecord._make(entry)]) for entry in entries]
        self._outputs += logged_outputs(applied, [entry[0] for entry in entries], self.codec)
        for effects in applied:
            self.counts.add(effects.counts)
            self._policies.extend(effects.policies)
            if self._engine.compiled is None:
                self._touched.update(effects.changed)
                self._touched.update(effects.forgotten)
            else:
                self._rows.update((row.key, row.value) for row in effects.stored)
                self._rows.update((journey_key(name), None) for name in effects.forgotten)
        return applied

    def _store_if_wanted(self) -> None:
        """Store what readers wait for. Where that fails it is stored later: the log has the record, which decides."""
        try:
            if len(self._touched) + len(self._rows) >= _ROWS_UNTIL_STORED:
                self.store_rows()
            else:
                self._store_outputs()
        except StoreUnavailableError:
            return

    def _store_outputs(self) -> None:
        if self._outputs:
            self.log.store(self._outputs)
            self._outputs.clear()


def _key_of(record: InputRecord) -> bytes | None:
    return None if isinstance(record, PolicyChanged | Punctuation) else record.journey_id.encode()
