"""Old rows leave BigQuery for files: each is in exactly one place, whatever is killed, comes in, or is damaged."""

import asyncio
import math
import re
from collections import Counter
from datetime import date, timedelta
from itertools import count
from multiprocessing import get_context
from os import environ
from pathlib import Path
from typing import get_args

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from journeys import analytics
from journeys.agents.bigquery.archive import Step, archive
from journeys.agents.bigquery.archive_folder import ArchiveError, ArchiveFolder
from journeys.agents.bigquery.deployment import apply
from journeys.agents.history.parquet_export import export
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings
from journeys.analytics.query import queries
from journeys.analytics.table import tables
from tests.fixtures.left_out import left_out

from .archive_ledger import ABANDONMENTS, FIRST, instant, made
from .archived_rows import in_bigquery, in_files, killed_run
from .bigquery_command import bigquery_command
from .delete_proxy import DeleteProxy
from .exports import exported
from .rows import insert, lifecycle

pytestmark = [pytest.mark.broker, pytest.mark.slow]

TABLES = tables()
KEPT_FROM = date(2025, 1, 1)
IS_LONG = bool(environ.get("JOURNEYS_TEST_LONG"))
# The emulator takes over half a second for each checksum.
in_soak = pytest.mark.skipif(not IS_LONG, reason=left_out("long"))


@pytest.fixture
def folder(tmp_path):
    """Give an archive's folder, which is not there yet."""
    return ArchiveFolder(str(tmp_path / "archive"))


@pytest.fixture
def kill():
    """Give a way to run an archive that is killed before a step, and to see that it was."""
    context = get_context("forkserver")  # BigQuery's client takes a second to import: once for all runs
    context.set_forkserver_preload(["tests.bigquery.archived_rows"])

    def run(house, folder, step):
        process = context.Process(target=killed_run, args=(tuple(house), folder.url, KEPT_FROM.isoformat(), step))
        process.start()
        process.join(60)
        assert process.exitcode == -9, f"it never came to {step}"

    return run


def test_killed_at_each_step_and_resumed_every_row_is_in_exactly_one_place(house, folder, kill, ledger):
    """A kill before each step, rows that come in between, and at last a run to the end."""
    ledger.fill([KEPT_FROM])
    kept = ledger.live()
    ledger.fill([FIRST])
    # Rows that come in after a file was verified are what has to be settled.
    comes_in_before = {"settle", "await"}
    for step in ("count", "write", "verify", "keep", "delete", "settle", "await", "publish"):
        if step in comes_in_before:
            ledger.fill([FIRST], per_day=2)
        kill(house, folder, step)
        live, pending = ledger.live(), in_files(folder, ".pending")
        assert (live | pending) + in_files(folder) == ledger.everything, f"killed at {step}"
        if IS_LONG:
            finish(house, folder, ledger, kept)
            ledger.fill([FIRST])
            if step in {"delete", "settle"}:
                kill(house, folder, "delete")
    ledger.fill([FIRST])
    finish(house, folder, ledger, kept)
    assert len(folder.files(ABANDONMENTS, "")) > 1, "what comes in later for a day makes another file of it"
    assert {*get_args(Step)} == {"count", "write", "verify", "keep", "delete", "settle", "await", "publish"}


def finish(house, folder, ledger, kept):
    """Archive to the end: everything is in one place, whole days of it in files."""
    run = archive(house, folder, KEPT_FROM, really=True, chosen=TABLES[:1])
    assert run.left == []
    assert ledger.live() == kept
    assert in_files(folder) + kept == ledger.everything
    assert not [*folder.files(ABANDONMENTS, ".pending"), *folder.files(ABANDONMENTS, ".part")]


def test_rows_that_come_in_while_a_day_is_archived_are_not_deleted(house, folder, ledger):
    """The day is left whole, and the next run takes all of it."""
    ledger.fill([FIRST])

    def come_in(step, _file):
        if step == "delete":
            ledger.fill([FIRST], per_day=1)

    run = archive(house, folder, KEPT_FROM, really=True, chosen=TABLES[:1], say=come_in)
    assert [day.left for day in run.left] == ["rows have come in meanwhile"]
    assert (run.rows, run.deleted) == (0, 0)
    assert ledger.live() == ledger.everything
    assert in_files(folder) == Counter()
    finish(house, folder, ledger, Counter())
    assert len(folder.files(ABANDONMENTS, "")) == 1


def test_a_file_that_does_not_hold_what_bigquery_has_deletes_nothing(house, folder, ledger):
    """One bit of one row is another: the run ends with the reason, and the rows stay."""
    ledger.fill([FIRST])

    def one_other_row(step, file):
        if step == "verify":
            path = Path(folder.url, file.name)
            rows = pq.read_table(path)
            factors = rows["time_factor"].to_pylist()
            factors[0] = math.nextafter(factors[0], 2)
            place = rows.schema.get_field_index("time_factor")
            pq.write_table(rows.set_column(place, rows.schema.field(place), pa.array(factors)), path)

    with pytest.raises(ArchiveError, match=r"\.part: holds .*, BigQuery has Fingerprint\(rows=5"):
        archive(house, folder, KEPT_FROM, really=True, chosen=TABLES[:1], say=one_other_row)
    assert ledger.live() == ledger.everything
    assert in_files(folder) + in_files(folder, ".pending") == Counter()


@in_soak
def test_a_damaged_file_that_may_be_the_only_place_is_left_alone(house, folder, ledger):
    """A run that ended when the rows were deleted, and the file damaged since: nobody removes the file."""
    ledger.fill([FIRST])

    def end(step, _file):
        if step == "publish":
            raise InterruptedError

    with pytest.raises(InterruptedError):
        archive(house, folder, KEPT_FROM, really=True, chosen=TABLES[:1], say=end)
    assert ledger.live() == Counter()
    (file,) = folder.files(ABANDONMENTS, ".pending")
    path = Path(folder.url, file.name)
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    with pytest.raises(ArchiveError, match="damaged, it holds None; its rows may be nowhere else"):
        archive(house, folder, KEPT_FROM, really=True, chosen=TABLES[:1])
    path.write_bytes(whole)
    finish(house, folder, ledger, Counter())


def test_the_command_looks_first_then_does_it_and_reports_read_the_archive(bigquery_client, house, tmp_path):
    """Dry by default; with --really figures; and the archive's report is the one that an export of the rows gives."""
    apply(bigquery_client, house)
    ended = list(made(count(), [FIRST, FIRST + timedelta(days=20)]))
    told = [lifecycle(1, "returned", "j1", instant(FIRST), abandonment_id="a1")]
    insert(bigquery_client, house, ABANDONMENTS, *ended)
    insert(bigquery_client, house, "journey_lifecycle", *told)
    before = in_bigquery(bigquery_client, house)
    url = tmp_path / "archive"
    words = ["archive", "--older-than-days", "400", "--to", str(url)]
    looked = bigquery_command(house, *words)
    assert (looked.returncode, looked.stderr) == (0, "")
    assert looked.stdout.splitlines()[-1].endswith(": 9 rows to archive; nothing was changed, --really does it")
    assert "journey_lifecycle 2021-03-01: 1 rows would be archived" in looked.stdout
    assert in_bigquery(bigquery_client, house) == before
    assert not url.exists()
    done = bigquery_command(house, *words, "--really")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r": 9 rows archived \([\d,]+ bytes\), 9 deleted, [\d.]+ s, ", done.stdout)
    assert in_bigquery(bigquery_client, house) == Counter()
    folders = (exported(tmp_path / "export", ended, told), url)
    there, here = (analytics.report(60, folder=each) for each in folders)
    returned = here.after.filter(dimension="all", outcome="returned")
    assert (here.abandonments, list(returned["mature"]), list(returned["mature_events"])) == (8, [8], [1])
    assert here.after.equals(there.after)
    for one in queries():
        assert getattr(there, one.name).equals(getattr(here, one.name)), one.name


@in_soak
def test_rows_that_bigquery_does_not_delete_yet_are_left_with_its_reason(house, folder, ledger):
    """As it refuses to touch rows streamed by insertAll within half an hour; the next run needs no new file."""
    ledger.fill([FIRST])
    why = "would affect rows in the streaming buffer, which is not supported"
    with DeleteProxy(house.endpoint, why) as proxy:
        run = archive(house._replace(endpoint=proxy.url), folder, KEPT_FROM, really=True, chosen=TABLES[:1])
    assert [why in str(day.left) for day in run.left] == [True]
    assert ledger.live() == ledger.everything == in_files(folder, ".pending")
    said = []
    archive(house, folder, KEPT_FROM, really=True, chosen=TABLES[:1], say=lambda step, _file: said.append(step))
    assert said == ["count", "delete", "await", "publish"]
    assert in_files(folder) == ledger.everything


def test_an_archive_and_an_export_never_share_a_folder(house, tmp_path, ledger):
    """An export replaces its folder whole, and would take the archive with it: both refuse the other's folder."""
    ledger.fill([FIRST])
    export_folder = exported(tmp_path / "export", [], [])
    with pytest.raises(ArchiveError, match="rows: no file of an archive; use a folder that holds nothing else"):
        archive(house, ArchiveFolder(str(export_folder)), KEPT_FROM, really=True)
    assert ledger.live() == ledger.everything
    archived = tmp_path / "archive" / ABANDONMENTS / "2021-03-01.1.00.parquet.pending"
    archived.parent.mkdir(parents=True)
    archived.touch()
    with pytest.raises(OperationError, match=rf"{archived.name}, which no export wrote"):
        asyncio.run(export(Settings(), tmp_path / "archive"))
    assert archived.exists()


def test_a_bucket_is_a_setting(house, ledger, bucket):
    """An object store takes the files; what was cut off between copy and removal is taken up, at either state."""
    ledger.fill([FIRST])
    folder, store = ArchiveFolder(f"{bucket}/archive"), fsspec.filesystem("gs")

    def run(*, until):
        def end(step, _file):
            if step == until:
                raise InterruptedError

        with pytest.raises(InterruptedError):
            archive(house, folder, KEPT_FROM, really=True, chosen=TABLES[:1], say=end)
        (file,) = folder.files(ABANDONMENTS, ".pending")
        return file

    kept = run(until="delete")
    assert ledger.live() == in_files(folder, ".pending") == ledger.everything
    store.copy(f"{folder.url}/{kept.name}", f"{folder.url}/{kept._replace(state='.part').name}")
    assert run(until="publish") == kept
    store.copy(f"{folder.url}/{kept.name}", f"{folder.url}/{kept._replace(state='').name}")
    assert (ledger.live(), in_files(folder)) == (Counter(), ledger.everything)
    finish(house, folder, ledger, Counter())
    ledger.fill([FIRST])
    finish(house, folder, ledger, Counter())
    for file in folder.files(ABANDONMENTS, ""):
        assert folder.fingerprint(file) == file.holds
    with pytest.raises(ArchiveError, match=r"nonesuch://bucket: .*nonesuch"):
        ArchiveFolder("nonesuch://bucket")
