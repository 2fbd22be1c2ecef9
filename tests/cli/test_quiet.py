"""`-q`: results, warnings and errors, and nothing else."""

import pytest

from tests.engine.comparison import needs_engine
from tests.fixtures.fresh_kafka import emptied

from .history import HISTORY, write_lines


@pytest.mark.parametrize("option", ["-q", "--quiet"])
def test_a_replay_prints_its_records_and_its_bad_lines(cli, tmp_path, option):
    """The summary is a remark; a line that could not be read is none."""
    path = write_lines(tmp_path / "history.jsonl", [*HISTORY, {"journey_id": "j"}])
    loud = cli("replay", path)
    assert "abandonments" in loud.stderr
    quiet = cli("replay", path, option)
    assert (quiet.exit_code, quiet.stdout) == (0, loud.stdout)
    (line,) = quiet.stderr.splitlines()
    assert line.startswith(f"journeys: {path}: line {len(HISTORY) + 1}: ")


@needs_engine
def test_a_packed_file_is_written_without_a_word(cli, tmp_path):
    """And with -q it is the same file."""
    path = write_lines(tmp_path / "history.jsonl", HISTORY)
    loud = cli("pack", path, "--output", "loud.parquet")
    assert loud.stderr == f"journeys: packed {len(HISTORY)} records of 3 journeys; bad lines: 0\n"
    quiet = cli("pack", path, "--output", "quiet.parquet", "-q")
    assert (quiet.exit_code, quiet.stdout, quiet.stderr) == (0, "", "")
    assert (tmp_path / "quiet.parquet").read_bytes() == (tmp_path / "loud.parquet").read_bytes()


@pytest.mark.broker
def test_what_is_appended_to_a_topic(broker, cli, monkeypatch, tmp_path):
    """No figures of lines, records and partitions; what was rejected is told."""
    monkeypatch.setenv("JOURNEYS_BOOTSTRAP_SERVERS", broker.bootstrap_servers)
    emptied(broker)
    path = write_lines(tmp_path / "history.jsonl", HISTORY)
    (tmp_path / "p.toml").write_text('version = "p-1"\n')
    for words in (("import", path), ("policy", "set", "p.toml")):
        quiet = cli(*words, "-q")
        assert (quiet.exit_code, quiet.stdout, quiet.stderr) == (0, "", "")
    bad = write_lines(tmp_path / "bad.jsonl", [{"journey_id": "j"}])
    rejected = cli("produce", bad, "-q")
    # The line, and that there was no other: nothing at all taken is an error.
    assert (rejected.exit_code, len(rejected.stderr.splitlines())) == (2, 2)
    good = cli("produce", write_lines(tmp_path / "both.jsonl", [*HISTORY[:1], {"journey_id": "j"}]))
    assert "1 records produced, 1 lines rejected" in good.stderr
