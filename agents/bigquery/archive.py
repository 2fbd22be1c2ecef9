"""Archives rows past a retention: moves them from BigQuery into Parquet files, day by day.

For each day: read it into a file; read the file again, and compare it with BigQuery by count and checksum; delete the
rows in BigQuery in one statement that deletes nothing unless they are still exactly those of the file; publish the
file. An interrupted run is continued by the next one: the file names, which contain rows and state (`ArchiveFolder`),
and the contents of BigQuery are all that it needs. Rows that arrive later for an archived day (delivered again, or
history) make another file of that day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from time import monotonic
from typing import Any, Final, Literal, NamedTuple

from journeys.agents.bigquery.archive_folder import ArchiveError, ArchiveFolder, DayFile
from journeys.agents.bigquery.client import Warehouse, dataset_client
from journeys.agents.bigquery.table_days import DeleteRefusedError, TableDays, reading
from journeys.analytics.fingerprint import Fingerprint
from journeys.analytics.table import Table, tables
from journeys.schemas.instants import DAY_MS
from journeys.streams.rule.policy import DEFAULT_POLICY

Step = Literal["count", "write", "verify", "keep", "settle", "delete", "await", "publish"]
"""The next step: `write` for each batch of rows, `await` after a deletion was sent, `settle` for files of an earlier
run."""
_ROWS_ADDED: Final = "rows have come in meanwhile"
Say = Callable[[Step, DayFile | None], None]


class ArchivedDay(NamedTuple):
    """Result for one day of one table. `rows` are archived, or would be; `bytes` is the size of the file.

    `left` says why the rows are still in BigQuery, None if they are not; the next run tries again.
    """

    table: str
    day: date
    rows: int
    bytes: int
    deleted: int
    left: str | None


@dataclass(frozen=True, slots=True)
class ArchiveRun:
    """A run over all tables; `is_real` is False for a dry run."""

    is_real: bool
    days: list[ArchivedDay]
    seconds: float

    @property
    def rows(self) -> int:
        """Rows that were archived, or would be."""
        return sum(one.rows for one in self.days if not self.is_real or one.left is None)

    @property
    def deleted(self) -> int:
        """Rows that were deleted in BigQuery."""
        return sum(one.deleted for one in self.days)

    @property
    def bytes(self) -> int:
        """Bytes of the files of this run."""
        return sum(one.bytes for one in self.days if one.left is None)

    @property
    def left(self) -> list[ArchivedDay]:
        """Days whose rows could not be deleted yet."""
        return [one for one in self.days if one.left is not None]


def least_days_kept() -> int:
    """Least retention in days for views and reports to contain every open journey, by the default policy."""
    return (DEFAULT_POLICY.max_journey_duration_ms + DEFAULT_POLICY.cleanup_ms) // DAY_MS


def archive(
    warehouse: Warehouse,
    folder: ArchiveFolder,
    before: date,
    *,
    really: bool = False,
    chosen: Sequence[Table] | None = None,
    say: Say = lambda _step, _file: None,
) -> ArchiveRun:
    """Archive the days before `before` (UTC); without `really` this is a dry run.

    `chosen` limits the tables, None takes all. Raises BigQueryError, and ArchiveError for a file that does not
    hold what its name says.
    """
    start = monotonic()
    days: list[ArchivedDay] = []
    with dataset_client(warehouse) as client, reading(warehouse) as reader:
        for table in tables() if chosen is None else chosen:
            say("count", None)
            table_days = TableDays(client, reader, warehouse, table)
            table_archive = _TableArchive(table_days, folder, say)
            live = table_days.fingerprints(before)
            days += table_archive.run(live) if really else table_archive.preview(live)
    return ArchiveRun(really, days, monotonic() - start)


class _TableArchive:
    """The archive of one table."""

    def __init__(self, table_days: TableDays, folder: ArchiveFolder, say: Say) -> None:
        self._table_days = table_days
        self._folder = folder
        self._say = say
        self._name = table_days.table.name

    def preview(self, live: dict[date, Fingerprint]) -> list[ArchivedDay]:
        """What a run would do, with the days in BigQuery."""
        kept = [(file.day, file.holds) for file in self._folder.files(self._name, ".pending") if file.day not in live]
        return [ArchivedDay(self._name, day, rows.rows, 0, 0, None) for day, rows in sorted([*live.items(), *kept])]

    def run(self, live: dict[date, Fingerprint]) -> list[ArchivedDay]:
        """Archive each day in BigQuery, and finish the files of earlier runs."""
        self._folder.files(self._name, "")  # raises for a folder with other files
        for part in self._folder.files(self._name, ".part"):
            self._folder.remove(part)
        pending: dict[date, list[DayFile]] = {}
        for file in self._folder.files(self._name, ".pending"):
            pending.setdefault(file.day, []).append(file)
        done = []
        for day in sorted(live.keys() | pending.keys()):
            kept = pending.get(day, [])
            if day in live:
                done.append(self._archived(day, live[day], kept))
            else:
                done += [self._published(self._verified(file), 0) for file in kept]
        return done

    def _archived(self, day: date, rows: Fingerprint, kept: list[DayFile]) -> ArchivedDay:
        file = DayFile(self._name, day, rows, ".pending")
        is_kept = file in kept and self._folder.fingerprint(file) == rows
        if not is_kept and not self._written(file._replace(state=".part")):
            return ArchivedDay(self._name, day, rows.rows, 0, 0, _ROWS_ADDED)
        for other in kept:
            if other != file:
                self._settle(self._verified(other), file)
        self._say("delete", file)
        try:
            job = self._table_days.delete_if_still(day, rows)
            self._say("await", file)
            if not self._table_days.deleted(job, day):
                return ArchivedDay(self._name, day, rows.rows, 0, 0, _ROWS_ADDED)
        except DeleteRefusedError as error:
            return ArchivedDay(self._name, day, rows.rows, 0, 0, str(error))
        return self._published(file, rows.rows)

    def _written(self, part: DayFile) -> bool:
        """Write and verify a day's file; False if the rows in BigQuery have changed meanwhile."""
        self._folder.write(part, self._table_days.columns, self._batches(part))
        self._say("verify", part)
        written = self._folder.fingerprint(part)
        if written != part.holds:
            self._folder.remove(part)
            if self._table_days.fingerprint(part.day) != part.holds:
                return False
            raise ArchiveError(f"{self._folder.url}/{part.name}: holds {written}, BigQuery has {part.holds}")
        self._say("keep", part)
        self._folder.change_state(part, ".pending")
        return True

    def _batches(self, file: DayFile) -> Iterator[Any]:
        for batch in self._table_days.read(file.day):
            self._say("write", file)
            yield batch

    def _settle(self, other: DayFile, file: DayFile) -> None:
        """Remove a file of an earlier run if `file` contains its rows, else publish it: it has the only copy of them.

        Both are verified; `file` holds the present rows of BigQuery.
        """
        self._say("settle", other)
        if self._folder.is_contained(other, file):
            self._folder.remove(other)
        else:
            self._folder.change_state(other, "")

    def _published(self, file: DayFile, deleted: int) -> ArchivedDay:
        self._say("publish", file)
        finished = self._folder.change_state(file, "")
        return ArchivedDay(self._name, file.day, file.holds.rows, self._folder.size(finished), deleted, None)

    def _verified(self, file: DayFile) -> DayFile:
        """The file, after a check of its contents; raises ArchiveError and keeps it: it may have the only copy."""
        actual = self._folder.fingerprint(file)
        if actual != file.holds:
            raise ArchiveError(
                f"{self._folder.url}/{file.name}: damaged, it holds {actual}; its rows may be nowhere else: "
                "bring it back from a copy, or move it away if BigQuery still has them"
            )
        return file
