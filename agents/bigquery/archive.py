"""Rows past a retention go from BigQuery into Parquet files, day by day, and are then deleted there.

For each day: read it into a file; read the file again, and compare it with BigQuery by count and checksum; delete the
rows in BigQuery in one statement that does nothing unless they are still exactly those of the file; publish the file.
A run that ends anywhere in between is taken up by the next one: what a file's name says of its rows and its state
(`ArchiveFolder`) and what BigQuery has are all there is to know. Rows that come in later for a day that is gone
(a delivery again, or history) make another file of that day.
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
"""What comes next: `write` for each batch of rows, `await` when a deletion has been sent, `settle` for what an earlier
run has left."""
_CAME_IN: Final = "rows have come in meanwhile"
Say = Callable[[Step, DayFile | None], None]


class ArchivedDay(NamedTuple):
    """What became of one day of one table. `rows` are in the archive now, or would be; `bytes` are those of the file.

    `left` says why the day's rows are still in BigQuery, None where they are not; the next run tries again.
    """

    table: str
    day: date
    rows: int
    bytes: int
    deleted: int
    left: str | None


@dataclass(frozen=True, slots=True)
class ArchiveRun:
    """A run over all tables. `is_real`: False where nothing was to be changed."""

    is_real: bool
    days: list[ArchivedDay]
    seconds: float

    @property
    def rows(self) -> int:
        """Rows that went into the archive, or would go."""
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
        """Days that should be gone and are not."""
        return [one for one in self.days if one.left is not None]


def least_days_kept() -> int:
    """Days that rows must stay for views and reports to know each journey that is open, by the default policy."""
    return (DEFAULT_POLICY.max_journey_duration_ms + DEFAULT_POLICY.cleanup_ms) // DAY_MS


def archive(
    house: Warehouse,
    folder: ArchiveFolder,
    before: date,
    *,
    really: bool = False,
    chosen: Sequence[Table] | None = None,
    say: Say = lambda _step, _file: None,
) -> ArchiveRun:
    """Archive the days before one (UTC); without `really` only look, and change nothing anywhere.

    `chosen` are some of the tables, None all. Raises BigQueryError, and ArchiveError for a file that is not what its
    name says.
    """
    start = monotonic()
    days: list[ArchivedDay] = []
    with dataset_client(house) as asked, reading(house) as reader:
        for table in tables() if chosen is None else chosen:
            say("count", None)
            there = TableDays(asked, reader, house, table)
            work = _TableArchive(there, folder, say)
            days += work.run(there.fingerprints(before)) if really else work.look(there.fingerprints(before))
    return ArchiveRun(really, days, monotonic() - start)


class _TableArchive:
    """The archive of one table."""

    def __init__(self, there: TableDays, folder: ArchiveFolder, say: Say) -> None:
        self._there = there
        self._folder = folder
        self._say = say
        self._name = there.table.name

    def look(self, live: dict[date, Fingerprint]) -> list[ArchivedDay]:
        """What a run would do."""
        kept = [(file.day, file.holds) for file in self._folder.files(self._name, ".pending") if file.day not in live]
        return [ArchivedDay(self._name, day, rows.rows, 0, 0, None) for day, rows in sorted([*live.items(), *kept])]

    def run(self, live: dict[date, Fingerprint]) -> list[ArchivedDay]:
        """Do it: what an earlier run has left first, then each day that BigQuery has."""
        self._folder.files(self._name, "")  # raises for a folder that is not an archive's alone
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
                done += [self._published(self._sound(file), 0) for file in kept]
        return done

    def _archived(self, day: date, rows: Fingerprint, kept: list[DayFile]) -> ArchivedDay:
        file = DayFile(self._name, day, rows, ".pending")
        is_kept = file in kept and self._folder.fingerprint(file) == rows
        if not is_kept and not self._written(file._replace(state=".part")):
            return ArchivedDay(self._name, day, rows.rows, 0, 0, _CAME_IN)
        for other in kept:
            if other != file:
                self._settle(self._sound(other), file)
        self._say("delete", file)
        try:
            job = self._there.delete_if_still(day, rows)
            self._say("await", file)
            if not self._there.deleted(job, day):
                return ArchivedDay(self._name, day, rows.rows, 0, 0, _CAME_IN)
        except DeleteRefusedError as error:
            return ArchivedDay(self._name, day, rows.rows, 0, 0, str(error))
        return self._published(file, rows.rows)

    def _written(self, part: DayFile) -> bool:
        """Write and verify a day's file; False if BigQuery has other rows now than it had."""
        self._folder.write(part, self._there.columns, self._batches(part))
        self._say("verify", part)
        found = self._folder.fingerprint(part)
        if found != part.holds:
            self._folder.remove(part)
            if self._there.fingerprint(part.day) != part.holds:
                return False
            raise ArchiveError(f"{self._folder.url}/{part.name}: holds {found}, BigQuery has {part.holds}")
        self._say("keep", part)
        self._folder.become(part, ".pending")
        return True

    def _batches(self, file: DayFile) -> Iterator[Any]:
        for batch in self._there.read(file.day):
            self._say("write", file)
            yield batch

    def _settle(self, other: DayFile, file: DayFile) -> None:
        """A file of an earlier run, where BigQuery has other rows now: they include its rows, or it has them alone.

        It is verified before, and so is `file`, which holds what BigQuery has now.
        """
        self._say("settle", other)
        if self._folder.is_contained(other, file):
            self._folder.remove(other)
        else:
            self._folder.become(other, "")

    def _published(self, file: DayFile, deleted: int) -> ArchivedDay:
        self._say("publish", file)
        finished = self._folder.become(file, "")
        return ArchivedDay(self._name, file.day, file.holds.rows, self._folder.size(finished), deleted, None)

    def _sound(self, file: DayFile) -> DayFile:
        """The file, which may be the only place of its rows, verified; raises ArchiveError and leaves it there."""
        found = self._folder.fingerprint(file)
        if found != file.holds:
            raise ArchiveError(
                f"{self._folder.url}/{file.name}: damaged, it holds {found}; its rows may be nowhere else: "
                "bring it back from a copy, or move it away if BigQuery still has them"
            )
        return file
