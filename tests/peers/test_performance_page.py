"""docs/performance.md shows the figures that are in the repository."""

from __future__ import annotations

import pytest

from benchmarks.measure import Run
from benchmarks.peers.known_peers import PEERS
from benchmarks.peers.peer_results import is_whole, place_of, read_results, versions, write_results
from benchmarks.peers.performance_page import BEGIN, END, NOTHING, PAGE, page_with, table
from benchmarks.results import RESULTS
from tests.fixtures.left_out import left_out


def _run(system: str, seconds: float, cpu_seconds: float) -> Run:
    return Run(system, 1_000_000, seconds, cpu_seconds, 512.4, 0.5)


@pytest.fixture
def measured() -> dict[str, list[Run]]:
    """Three runs of two systems."""
    return {
        "flink-heap": [_run("flink-heap", seconds, 20.0) for seconds in (10.0, 30.0, 20.0)],
        "journeys": [_run("journeys", 5.0, cpu_seconds) for cpu_seconds in (6.0, 4.0, 5.0)],
    }


def test_the_page_has_the_table_of_the_figures():
    """Whoever measures anew or edits the page by hand leaves the two equal, or this fails."""
    page = PAGE.read_text("utf-8")
    assert page == page_with(page, read_results())


def test_published_figures_are_whole():
    """A list of all systems with enough runs, each verified, each figure the median of the runs."""
    results = read_results()
    if results is None:
        pytest.skip(left_out("peers"))
    assert [system["system"] for system in results] == list(PEERS)
    for system in results:
        assert system["verified"] is True
        assert len(system["runs"]) >= 3


def test_the_table_says_medians_and_ratios(tmp_path, measured):
    """The one that does most with a second of CPU first; ratios to Flink on the heap."""
    results = write_results(tmp_path, measured, {})
    assert read_results(tmp_path) == results
    rows = table(results).splitlines()[2:]
    assert rows == [
        "| journeys | 200,000 | 200,000 | 4.0 | 512 | 3 |",
        "| flink-heap | 50,000 | 50,000 | 1.0 | 512 | 3 |",
    ]


def test_a_table_without_flink_has_no_ratios(tmp_path, measured):
    """A trial of some systems."""
    del measured["flink-heap"]
    assert table(write_results(tmp_path, measured, {})).endswith("| journeys | 200,000 | 200,000 | - | 512 | 3 |")
    assert table(None) == NOTHING


def test_a_table_replaces_the_one_before(tmp_path, measured):
    """What stands around it stays, and a second time changes nothing."""
    results = write_results(tmp_path, measured, {})
    page = page_with(f"before\n{BEGIN}\nold\n{END}\nafter\n", results)
    assert page.startswith("before\n")
    assert page.endswith("\nafter\n")
    assert "old" not in page
    assert page_with(page, results) == page


def test_a_page_without_markers_is_refused():
    """So that figures are never written nowhere."""
    with pytest.raises(ValueError, match="expected the lines"):
        page_with(f"text {END} {BEGIN}", None)


def test_only_whole_measurements_are_published(measured):
    """All systems, three runs, a million touchpoints; everything else stays out of the repository."""
    assert not is_whole(measured, 1_000_000)
    whole = dict.fromkeys(PEERS, measured["journeys"])
    assert is_whole(whole, 1_000_000)
    assert not is_whole(whole, 999_999)
    assert not is_whole(whole | {"bytewax": measured["journeys"][:2]}, 1_000_000)
    assert place_of(whole=True) == RESULTS
    assert RESULTS not in place_of(whole=False).parents


def test_versions_are_those_of_the_builds():
    """What the results say the peers are made of."""
    found = versions()
    assert {"flink", "flink.kafka", "kafka", "avro", "bytewax", "confluent-kafka"} <= found.keys()
    assert found["bytewax"].startswith("0.21")
    assert found["flink"].startswith("2.1")
