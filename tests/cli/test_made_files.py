"""`journeys generate` and `journeys ecom`: files to try the rest with."""

import pytest

from journeys.agents.demo.ecom import load_mapping, touchpoints

from .console_script import journeys
from .history import read_lines
from .test_errors import PROJECT


def test_generate_writes_the_same_lines_for_the_same_seed(cli, tmp_path):
    """To a file or to standard output; other options, other lines."""
    printed = cli("generate", "--journeys", "20", "--seed", "3")
    assert cli("generate", "--journeys", "20", "--seed", "3", "--output", "load.jsonl").stdout == ""
    assert (tmp_path / "load.jsonl").read_text() == printed.stdout
    lines = read_lines(printed.stdout)
    assert len({line["journey_id"] for line in lines}) == 20
    assert len({line["touchpoint_id"] for line in lines}) == 200
    later = cli("generate", "--journeys", "5", "--seed", "3", "--touchpoints", "2", "--begin", "2026-02-01T00:00:00Z")
    assert len({line["touchpoint_id"] for line in read_lines(later.stdout)}) == 10
    assert min(line["occurred_at"] for line in read_lines(later.stdout)) >= 1_769_904_000_000


def test_generated_lines_can_be_replayed(cli):
    """All of them are valid."""
    cli("generate", "--journeys", "50", "--seed", "3", "--output", "load.jsonl")
    assert cli("replay", "load.jsonl", "--strict").exit_code == 0


@pytest.mark.slow
def test_ecom_is_the_whole_clickstream_in_order_of_time():
    """With generated journeys merged in, each labelled as such; the lines can be replayed."""
    printed = journeys("ecom", "--made", "16", cwd=PROJECT).stdout
    lines = read_lines(printed)
    made = {line["journey_id"] for line in lines if line["journey_id"].startswith("made-")}
    assert len(made) == 16
    shop = [line for line in lines if line["journey_id"] not in made]
    assert shop == list(touchpoints(load_mapping()))
    beginning = "".join(f"{line}\n" for line in printed.splitlines()[:1_000])
    assert journeys("replay", "-", "--strict", cwd=PROJECT, input=beginning).returncode == 0


def test_ecom_without_its_mapping(cli):
    """One line that names the file."""
    result = cli("ecom", "--mapping", "missing.toml")
    assert result.exit_code == 2
    assert result.stderr == "journeys: missing.toml: can't be read: No such file or directory\n"
