"""A system's outputs count only if they are what the pure core says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.peers.reference import COMPARED, Reference
from journeys.schemas.records import JourneyAbandoned

Fields = dict[str, Any]


def test_what_the_core_says_is_agreed_with(reference: Reference, abandonments: list[Fields]):
    """All abandonments in any order, whenever they were detected."""
    published = [fields | {"detected_at": 0} for fields in reversed(abandonments)]
    assert reference.disagreement(published) == ""
    assert 0 < reference.required < len(abandonments)


def test_what_is_due_behind_the_input_may_be_missing(reference: Reference, abandonments: list[Fields]):
    """An abandonment after the horizon is right, and needs not be there; one before it has to be."""
    required = [fields for fields in abandonments if fields["abandoned_at"] <= reference.horizon]
    assert reference.disagreement(required) == ""
    assert len(required) == reference.required
    assert "1 missing" in reference.disagreement(required[1:])


def test_what_is_not_compared_is_named():
    """When, by whom and on which ad bid: an abandonment that gets a new field is compared by it, or stands here."""
    not_compared = set(JourneyAbandoned._fields) - set(COMPARED)
    assert not_compared == {
        "abandonment_id",  # by which they are matched
        "detected_at",
        "action_id",
        "touchpoint_policy_version",
        "propensity",
        "command_id",
        "requested_by",
        "note",
        "source_topic",
        "source_partition",
        "source_offset",
        "segment",  # and the rules, which the comparison's policy has none of
        "journey_touchpoint_count",
        "deadline_rule",
        "probability_assumed",
        "value_assumed",
    }


def _other(value: Any) -> Any:
    """A value of the same kind that is not this one."""
    if isinstance(value, bool):
        return not value
    return f"{value}x" if isinstance(value, str) else value + 1


@pytest.mark.parametrize("name", COMPARED)
def test_every_compared_field_counts(name: str, reference: Reference, abandonments: list[Fields]):
    """One field of one abandonment that is not what it should be is found, and named."""
    wrong = abandonments[0] | {name: _other(abandonments[0][name])}
    said = reference.disagreement([wrong, *abandonments[1:]])
    assert "1 different" in said
    assert f"{wrong['abandonment_id']} has {name} {wrong[name]!r}" in said


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda published: [*published, published[0]], "0 missing, 0 unknown, 0 different, 1 published twice"),
        (
            lambda published: [*published, published[0] | {"abandonment_id": "?"}],
            "0 missing, 1 unknown, 0 different, 0",
        ),
        (lambda published: published[:0], "0 abandonments for"),
    ],
    ids=["twice", "unknown", "none"],
)
def test_other_disagreements(
    change: Callable[[list[Fields]], list[Fields]], expected: str, reference: Reference, abandonments: list[Fields]
):
    """What is published twice, what nobody expects, and nothing at all."""
    assert expected in reference.disagreement(change(abandonments))


def test_time_ends_with_the_partition_that_ends_first(touchpoints: list[Any]):
    """With more partitions the horizon is that of the one whose input ends first."""
    assert Reference.of(touchpoints, 4).horizon < Reference.of(touchpoints, 1).horizon
