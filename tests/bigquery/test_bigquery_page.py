"""The figures of docs/bigquery.md are those of the results."""

import pytest

from benchmarks.bigquery_page import PAGE, page_with
from benchmarks.results import RESULTS


def test_the_page_has_the_figures_of_the_results():
    """Nobody has written one by hand, and none is old."""
    text = PAGE.read_text("utf-8")
    assert page_with(text, RESULTS) == text
    assert "Not measured yet" not in text


def test_a_page_without_its_marks_is_refused(tmp_path):
    """Figures must not get lost in silence."""
    with pytest.raises(ValueError, match="bigquery_sinks: begin"):
        page_with("# BigQuery", tmp_path)


def test_without_results_the_page_says_so(tmp_path):
    """And is written all the same."""
    assert page_with(PAGE.read_text("utf-8"), tmp_path).count("Not measured yet.") == 2
