"""What a person meets who has no emulator, no credentials, no tables or no bucket: one line that says what to do."""

import asyncio
import time

import pytest
from typer.testing import CliRunner

from journeys.agents.bigquery.client import BigQueryError, Warehouse
from journeys.agents.bigquery.deployment import apply
from journeys.agents.bigquery.write_stream import StreamWriter
from journeys.cli.main import app

from .archive_ledger import FIRST
from .exports import exported
from .next_version import environment_of
from .rows import abandonment

MAKE = "`journeys bigquery apply` creates what is missing"
START = "set JOURNEYS_BIGQUERY_PROJECT, or start an emulator with `journeys stack up`"


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Give each command that asks BigQuery, in an empty folder beside an export."""
    monkeypatch.chdir(tmp_path)
    folder = str(exported(tmp_path / "export", [abandonment(1)], []))
    return {
        "diff": ["diff"],
        "apply": ["apply"],
        "costs": ["costs"],
        "archive": ["archive", "--older-than-days", "400", "--to", "archive"],
        "load": ["load", "--folder", folder, "--older-than-days", "0"],
        "fill": ["fill", "--folder", folder],
    }


def told(arguments, environment):
    """The lines that `journeys bigquery ...` writes to stderr when it ends with exit code 2."""
    result = CliRunner().invoke(app, ["bigquery", *arguments], env=environment)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    return result.stderr.splitlines()


def test_without_an_emulator_each_command_says_so_at_once(commands):
    """None configured, and one that was stopped: the client alone would go on trying for ten minutes."""
    stopped = Warehouse("journeys", "journeys", "http://127.0.0.1:1", "127.0.0.1:1")
    began = time.monotonic()
    for arguments in commands.values():
        assert told(arguments, {}) == [f"journeys: no BigQuery is configured; {START}"]
        (line,) = told(arguments, environment_of(stopped))
        assert line.startswith("journeys: http://127.0.0.1:1 does not answer: ")
        assert line.endswith(START)
    assert time.monotonic() - began < 20


def test_without_credentials_each_command_says_so(commands, tmp_path):
    """And where to read which ones are needed; so does the sink."""
    environment = {
        "JOURNEYS_BIGQUERY_PROJECT": "mine",
        "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "nowhere.json"),
    }
    for arguments in commands.values():
        (line,) = told(arguments, environment)
        assert line.startswith("journeys: no credentials for BigQuery: File ")
        assert line.endswith("docs/bigquery.md, 'Rights'")


def test_without_credentials_the_sink_does_not_begin(monkeypatch, tmp_path):
    """An error that the command line knows, not one of Google's libraries."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "nowhere.json"))

    async def connect():
        async with StreamWriter.connected(Warehouse("mine", "journeys", None, None)):
            pass

    with pytest.raises(BigQueryError, match="no credentials for BigQuery: "):
        asyncio.run(connect())


@pytest.mark.broker
@pytest.mark.slow
def test_without_dataset_or_tables_it_says_what_makes_them(bigquery_client, house, commands):
    """A wrong name of a dataset, and a dataset in which nothing was made; `diff` and `apply` are there for these."""
    del commands["diff"], commands["apply"]
    for arguments in commands.values():
        (line,) = told(arguments, environment_of(house))
        assert line == f"journeys: there is no dataset {house.path}; {MAKE}"
    bigquery_client.create_dataset(house.dataset)
    for name in ("archive", "load"):  # the emulator has words of its own for a load job
        (line,) = told(commands[name], environment_of(house))
        assert "not found in" in line
        assert line.endswith(MAKE)


@pytest.mark.broker
@pytest.mark.slow
def test_a_bucket_that_is_not_there_costs_no_row_and_is_not_made(house, ledger, bucket, commands):
    """A slip in its name is one line; so is a server of buckets that does not answer."""
    ledger.fill([FIRST])
    (line,) = told([*commands["archive"][:-1], f"{bucket}-/archive", "--really"], environment_of(house))
    assert line.startswith(f"journeys: {bucket}-/archive")
    assert ledger.live() == ledger.everything


@pytest.mark.broker
@pytest.mark.slow
def test_a_short_retention_is_remarked_upon(bigquery_client, house, commands):
    """Rows of open journeys would go; nothing is refused, for a policy may have shorter ones."""
    apply(bigquery_client, house)
    words = ["bigquery", *commands["archive"]]
    words[words.index("400")] = "30"
    result = CliRunner().invoke(app, words, env=environment_of(house))
    assert result.exit_code == 0
    assert result.stderr.startswith("journeys: 30 days are few: ")
    assert "120 are needed" in result.stderr
    words[words.index("30")] = "120"
    assert CliRunner().invoke(app, words, env=environment_of(house)).stderr == ""
