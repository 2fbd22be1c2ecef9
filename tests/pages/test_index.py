"""The indexes name every page and every decision, once, as the page itself does."""

import re

import pytest

from .pages import DECISIONS, ROOT, links, name_of, state, text_of, title

INDEX = ROOT / "docs/README.md"
DECISION_INDEX = ROOT / "docs/decisions/README.md"
QUESTIONS = ROOT / "docs/where-is-it.md"


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=name_of)
def test_every_page_is_in_the_index_once(page):
    """docs/README.md links to each other page of docs/."""
    if page != INDEX:
        assert links(INDEX).count(page.name) == 1, f"docs/README.md: {page.name} must be there once"


def test_the_index_of_decisions_is_linked():
    """From the index of pages."""
    assert "decisions/README.md" in links(INDEX)


@pytest.mark.parametrize("decision", DECISIONS, ids=name_of)
def test_every_decision_is_in_the_index(decision):
    """With the title and the state that its own top says. A link in the state is written without its brackets."""
    plain_state = re.sub(r"\[(\d{4})\]\([^)]+\)", r"\1", state(decision))
    entry = f"| [{decision.name[:4]}]({decision.name}) | {title(decision)} | {plain_state} |"
    assert entry in text_of(DECISION_INDEX).splitlines(), f"docs/decisions/README.md lacks the line\n{entry}"


@pytest.mark.parametrize("decision", DECISIONS, ids=name_of)
def test_the_state_of_a_decision_has_one_of_three_forms(decision):
    """In force; superseded by another; superseded in part by another, and in what."""
    form = r"in force|superseded (in part )?by \[(\d{4})\]\(\2-[\w-]+\.md\)(?(1): [^|]+)"
    assert re.fullmatch(form, state(decision)), state(decision)


def test_the_index_has_no_other_decision():
    """Nor one twice."""
    assert sorted(links(DECISION_INDEX)) == [decision.name for decision in DECISIONS]


def test_twenty_questions_have_a_file_for_an_answer():
    """docs/where-is-it.md: each row leads to at least one file outside of docs/."""
    rows = [line for line in text_of(QUESTIONS).splitlines() if re.match(r"\| .+\? \|", line)]
    assert len(rows) >= 20
    for row in rows:
        assert re.search(r"\]\(\.\./\w", row), row
