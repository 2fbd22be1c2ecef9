"""`journeys bigquery ... --json`: one document, with the keys that docs/command-line.md names."""

import pytest
from typer.testing import CliRunner

from journeys.cli.main import app
from tests.cli.json_keys import checked

from .exports import exported
from .next_version import environment_of
from .rows import abandonment

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def test_each_command(house, tmp_path, monkeypatch):
    """From no dataset to rows that are filled, loaded, asked about and archived."""
    monkeypatch.chdir(tmp_path)
    folder = str(exported(tmp_path / "export", [abandonment(1)], []))

    def document(*words, exit_code=0):
        result = CliRunner().invoke(app, ["bigquery", *words, "--json"], env=environment_of(house))
        assert (result.exit_code, result.stderr) == (exit_code, ""), result.output
        return checked(f"bigquery {words[0]}", result.stdout)

    missing = document("diff", exit_code=1)
    assert (missing["ok"], missing["dataset"]) == (False, house.path)
    applied = document("apply")
    assert len(applied["changes"]) >= 5
    assert document("diff") == {"ok": True, "dataset": house.path, "changes": []}
    looked = document("load", "--folder", folder, "--older-than-days", "0")
    assert (looked["is_done"], looked["rows"]) == (False, 1)
    assert document("load", "--folder", folder, "--older-than-days", "0", "--really")["rows"] == 1
    assert {query["bytes"] for query in document("costs")["queries"]} == {0}
    archived = document("archive", "--older-than-days", "200", "--to", "archive", "--really")
    assert archived["is_done"]
    assert archived["rows"] == sum(day["rows"] for day in archived["days"]) == 1
