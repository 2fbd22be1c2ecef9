"""The pages of the rule name every reason, signal and default constant."""

import re
from decimal import Decimal
from typing import get_args

from journeys.schemas.records import REASONS, SIGNALS
from journeys.streams.rule.policy import DEFAULT_POLICY, Policy

from .pages import ROOT, text_of

PENALTY = text_of(ROOT / "docs/penalty.md")
POLICY = text_of(ROOT / "docs/policy.md")
LINES = text_of(ROOT / "docs/lines.md")
GLOSSARY = text_of(ROOT / "docs/glossary.md")


def constants(name):
    """Keys and values of a row of the table of constants."""
    row = re.search(rf"^\| {name} \| (.+) \|$", PENALTY, re.MULTILINE)
    assert row, name
    return {key: Decimal(value) for key, value in (pair.split() for pair in row[1].split(", "))}


def test_the_page_of_the_penalty_has_the_default_constants():
    """Each state and reason with its number."""
    penalty = DEFAULT_POLICY.penalty
    for name in ("state_weight", "reason_multiplier", "default_conversion_probability"):
        assert constants(name) == getattr(penalty, name).model_dump(), name


def test_the_page_of_lines_has_every_signal():
    """In the row of signals."""
    row = re.search(r"^\| `signal` \| (.+) \|$", LINES, re.MULTILINE)
    assert row
    assert all(f"`{signal}`" in row[1] for signal in SIGNALS)


def test_the_glossary_has_every_reason():
    """In the line of the word."""
    row = re.search(r"^\| reason \| (.+) \|$", GLOSSARY, re.MULTILINE)
    assert row
    assert set(re.findall(r"[A-Z_]{2,}", row[1])) == set(REASONS)


def test_the_page_of_the_policy_has_every_key():
    """Each table with its keys, those of the penalty by name."""
    for table, part in Policy.model_fields.items():
        kind = next(
            (each for each in (part.annotation, *get_args(part.annotation)) if hasattr(each, "model_fields")), None
        )
        if kind is not None:
            row = re.search(rf"^\| `\[{table}\]` \| (.+) \|$", POLICY, re.MULTILINE)
            assert row, table
            missing = {key for key in kind.model_fields if f"`{key}`" not in row[1]}
            assert missing <= {"formula_version"}, missing
