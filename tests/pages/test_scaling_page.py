"""The figures of docs/scaling.md are those of the results."""

import pytest

from benchmarks.scaling_page import PAGE, page_with


def test_the_page_has_the_figures_of_the_results():
    """Nobody has written one by hand, and none is old."""
    text = PAGE.read_text("utf-8")
    assert page_with(text) == text
    assert "Not measured yet" not in text


def test_a_page_without_its_marks_is_refused():
    """Figures must not get lost in silence."""
    with pytest.raises(ValueError, match="scale_out: begin"):
        page_with("# Scaling")
