"""Operations of `journeys show|abandon|extend|check --store FILE` on the file of an embedded manager.

Reading works while a manager runs. Commands need the file's lock, so they are refused while another process has it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from journeys.agents.inspect.journey_view import SHOWN_RECORDS, JourneyView
from journeys.agents.verify.partition_clock import PartitionClock, as_found
from journeys.agents.verify.store_report import StoreReport
from journeys.schemas.codec import Codec
from journeys.schemas.records import ClockCorrected, JourneyAbandoned, JourneyCommand, JourneyLifecycle
from journeys.schemas.rows import journey_key
from journeys.schemas.topics import JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE
from journeys.streams.partition.changelog import Restore
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition
from training_orchestrator.api.answers import StoreUnavailableError
from training_orchestrator.embedded.checked_clock import CheckedClock
from training_orchestrator.embedded.command_answer import answer_of
from training_orchestrator.embedded.local_journeys import LocalJourneys
from training_orchestrator.embedded.local_log import FORMAT, INPUT_COLUMNS, store_connection
from training_orchestrator.store.store_check import check_store

# With the offset of the output before it: a manager takes the last one as the offset up to which outputs are stored.
_INSERT: Final = """
INSERT INTO output ("offset", topic, kind, detected_at, value)
VALUES (coalesce((SELECT "offset" FROM output ORDER BY sequence DESC LIMIT 1), -1), ?, ?, ?, ?)
"""
_UNAPPLIED: Final = f"""
SELECT {INPUT_COLUMNS} FROM input WHERE "offset" > ? AND ("key" = ? OR "key" IS NULL) ORDER BY "offset"
"""  # noqa: S608  (constants)
_NO_JOURNEYS: Final = "\"key\" < x'6a' OR \"key\" >= x'6b'"  # keys of journeys begin with j


class StoreCommands:
    """Reads and commands on one file. Every method may raise StoreUnavailableError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._codec = Codec()

    def time_source(self) -> str:
        """Time source of the store: `live` or `simulated`."""
        with self._reading() as connection:
            return self._restored(connection, _NO_JOURNEYS).time_source or "live"

    def view(self, journey_id: str) -> JourneyView:
        """The journey's row as of the end of the log, and its outputs."""
        key = journey_id.encode()
        with self._reading() as connection:
            partition = self._restored(connection, f'{_NO_JOURNEYS} OR "key" = ?', journey_key(journey_id))
            unapplied = connection.execute(
                _UNAPPLIED,
                (partition.applied_offset, key),
            ).fetchall()
            records = self._codec.decode_inputs([value for *_, value in unapplied])
            Processor(partition).process(
                (offset, entry_key, at, record, value)
                for (offset, entry_key, at, value), record in zip(unapplied, records, strict=True)
            )
            abandonments: list[JourneyAbandoned] = self._published(connection, JOURNEY_ABANDONMENTS, journey_id)
            lifecycle: list[JourneyLifecycle] = self._published(connection, JOURNEY_LIFECYCLE, journey_id)
        row = partition.rows.get(journey_id)
        return JourneyView(journey_id, partition.number, row, partition.clock, abandonments, lifecycle)

    def request(self, command: JourneyCommand) -> JourneyAbandoned | JourneyLifecycle | None:
        """Fire overdue deadlines, then append the command and apply it; None where its command_id was applied before.

        Raises StoreInUseError while a manager has the file open, InvalidRecordError.
        """
        journeys = LocalJourneys(self._path, None, self._clock())
        journeys.open()
        try:
            (effects,) = journeys.apply([command])
        finally:
            journeys.close()
        return answer_of(command, effects)

    def clock(self, at: int) -> PartitionClock:
        """What a correction of the clock to `at` (ms) would find, as of the rows that are stored."""
        with self._reading() as connection:
            return as_found(self._restored(connection, "true"), at)

    def correct_clock(self, correction: ClockCorrected) -> None:
        """Append a correction of the clock and apply it.

        Raises StoreInUseError while a manager has the file open, InvalidRecordError.
        """
        journeys = LocalJourneys(self._path, None, self._clock())
        journeys.open()
        try:
            journeys.apply([correction])
        finally:
            journeys.close()

    def check(self, shown: int) -> StoreReport:
        """Compare rows and outputs with a replay; describes at most `shown` differences of each kind."""
        with self._reading() as connection:
            self._require_format(connection)
            return check_store(connection, self._restored(connection, "true"), self._codec, shown)

    def leave_audit(self, record: JourneyLifecycle) -> None:
        """Store an audit record among the lifecycle outputs; a replay does not produce it."""
        with store_connection(self._path, "rw") as connection, connection:
            self._require_format(connection)
            connection.execute(
                _INSERT, (JOURNEY_LIFECYCLE, record.kind, record.detected_at, self._codec.encode(record))
            )

    def _require_format(self, connection: sqlite3.Connection) -> None:
        (stored_format,) = connection.execute("PRAGMA user_version").fetchone()
        if stored_format != FORMAT:
            raise StoreUnavailableError(
                f"{self._path}: format {stored_format}, and this release writes {FORMAT}: start a manager on the file "
                "once, which converts it"
            )

    def _clock(self) -> CheckedClock:
        """The present time; on a store of simulated time its last punctuation."""
        with self._reading() as connection:
            partition = self._restored(connection, _NO_JOURNEYS)
        clock = partition.clock
        if partition.time_source == "simulated" and clock is not None:
            return CheckedClock(lambda: clock)
        return CheckedClock(None)

    def _restored(self, connection: sqlite3.Connection, which: str, *values: bytes) -> Partition:
        restore = Restore()
        restore.add_all(connection.execute(f'SELECT "key", value FROM row WHERE {which}', values).fetchall())  # noqa: S608
        partition = Partition()
        restore.onto(partition, self._codec)
        return partition

    def _published(self, connection: sqlite3.Connection, topic: str, journey_id: str) -> list[Any]:
        cursor = connection.execute(
            "SELECT value FROM output WHERE topic = ? AND instr(value, ?) > 0 ORDER BY sequence",
            (topic, journey_id.encode()),
        )
        records = [self._codec.decode(value) for (value,) in cursor]
        return [record for record in records if record.journey_id == journey_id][-SHOWN_RECORDS:]

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection with one read transaction, so that all is read in one snapshot."""
        with store_connection(self._path) as connection:
            connection.execute("BEGIN")
            yield connection
