"""A person's hands on an embedded store: what `journeys show|abandon|extend|check --store FILE` do.

Reading needs nobody's leave: a manager may be at work. Commands are the writer's, so that they are refused while
another process holds the file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from journeys.agents.inspect.journey_view import SHOWN_RECORDS, JourneyView
from journeys.agents.verify.store_report import StoreReport
from journeys.clock import now_ms
from journeys.schemas.codec import Codec
from journeys.schemas.records import JourneyAbandoned, JourneyCommand, JourneyLifecycle
from journeys.schemas.rows import journey_key
from journeys.schemas.topics import JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE
from journeys.streams.partition.changelog import Restore
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition
from training_orchestrator.api.answers import StoreUnavailableError
from training_orchestrator.embedded.command_answer import answer_of
from training_orchestrator.embedded.local_journeys import LocalJourneys
from training_orchestrator.embedded.local_log import FORMAT, store_connection
from training_orchestrator.embedded.store_check import check_store

# With the offset of the output before it: the manager goes by the last one to know what it has stored.
_INSERT: Final = """
INSERT INTO output ("offset", topic, kind, detected_at, value)
VALUES (coalesce((SELECT "offset" FROM output ORDER BY sequence DESC LIMIT 1), -1), ?, ?, ?, ?)
"""
_NO_JOURNEYS: Final = "\"key\" < x'6a' OR \"key\" >= x'6b'"  # keys of journeys begin with j


class StoreHands:
    """Hands on one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._codec = Codec()

    def time_source(self) -> str:
        """`live` or `simulated`, as the store began."""
        with self._reading() as connection:
            return self._restored(connection, _NO_JOURNEYS).time_source or "live"

    def view(self, journey_id: str) -> JourneyView:
        """The journey's row as the log makes it by now, and what was published of it."""
        key = journey_id.encode()
        with self._reading() as connection:
            partition = self._restored(connection, f'{_NO_JOURNEYS} OR "key" = ?', journey_key(journey_id))
            behind = connection.execute(
                'SELECT * FROM input WHERE "offset" > ? AND ("key" = ? OR "key" IS NULL) ORDER BY "offset"',
                (partition.applied_offset, key),
            ).fetchall()
            records = self._codec.decode_inputs([value for *_, value in behind])
            Processor(partition).process(
                (offset, key_of, at, record, value)
                for (offset, key_of, at, value), record in zip(behind, records, strict=True)
            )
            abandonments: list[JourneyAbandoned] = self._published(connection, JOURNEY_ABANDONMENTS, journey_id)
            lifecycle: list[JourneyLifecycle] = self._published(connection, JOURNEY_LIFECYCLE, journey_id)
        row = partition.rows.get(journey_id)
        return JourneyView(journey_id, partition.number, row, partition.clock, abandonments, lifecycle)

    def request(self, command: JourneyCommand) -> JourneyAbandoned | JourneyLifecycle | None:
        """Fire what is overdue, then append the command and apply it; None where its command_id was given before.

        Raises StoreInUseError while a manager holds the file, InvalidRecordError.
        """
        journeys = LocalJourneys(self._path, None, self._clock(), self.time_source())
        journeys.open()
        try:
            (effects,) = journeys.apply([command])
        finally:
            journeys.close()
        return answer_of(command, effects)

    def check(self, shown: int) -> StoreReport:
        """Rows and outputs of one moment, next to a replay."""
        with self._reading() as connection:
            self._require_format(connection)
            return check_store(connection, self._restored(connection, "true"), self._codec, shown)

    def leave_audit(self, record: JourneyLifecycle) -> None:
        """Keep it with the outputs: beside them, as no replay gives it. Raises StoreUnavailableError."""
        with store_connection(self._path, "rw") as connection, connection:
            self._require_format(connection)
            connection.execute(
                _INSERT, (JOURNEY_LIFECYCLE, record.kind, record.detected_at, self._codec.encode(record))
            )

    def _require_format(self, connection: sqlite3.Connection) -> None:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found != FORMAT:
            raise StoreUnavailableError(
                f"{self._path}: of format {found}, and this release writes {FORMAT}: "
                "a manager that starts over it takes it over"
            )

    def _clock(self) -> Callable[[], int]:
        """The present; simulated time stands where it stood."""
        with self._reading() as connection:
            partition = self._restored(connection, _NO_JOURNEYS)
        clock = partition.clock
        if partition.time_source == "simulated" and clock is not None:
            return lambda: clock
        return now_ms

    def _restored(self, connection: sqlite3.Connection, which: str, *values: bytes) -> Partition:
        restore = Restore()
        restore.add_all(connection.execute(f'SELECT "key", value FROM row WHERE {which}', values).fetchall())  # noqa: S608
        partition = Partition()
        restore.onto(partition, self._codec)
        return partition

    def _published(self, connection: sqlite3.Connection, topic: str, journey_id: str) -> list[Any]:
        found = connection.execute(
            "SELECT value FROM output WHERE topic = ? AND instr(value, ?) > 0 ORDER BY sequence",
            (topic, journey_id.encode()),
        )
        records = [self._codec.decode(value) for (value,) in found]
        return [record for record in records if record.journey_id == journey_id][-SHOWN_RECORDS:]

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """All that is read within is of one moment."""
        with store_connection(self._path) as connection:
            connection.execute("BEGIN")
            yield connection
