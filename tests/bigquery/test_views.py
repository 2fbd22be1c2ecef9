"""Views show each row once, money as exact dollars, and each journey as it stands."""

from decimal import Decimal

import pytest

from journeys.agents.bigquery.deployment import apply

from .rows import abandonment, insert, lifecycle, query

pytestmark = [pytest.mark.broker, pytest.mark.slow]

DAY = 86_400_000
T0 = 1_760_000_000_000


def test_a_row_that_came_twice_shows_once(bigquery_client, house):
    """At-least-once delivery is not to be seen in any view."""
    apply(bigquery_client, house)
    records = [abandonment(number) for number in range(5)]
    insert(bigquery_client, house, "journey_abandonments", *records, *records[:3], records[0])
    told = [lifecycle(number, "started", f"j{number}", T0) for number in range(4)]
    insert(bigquery_client, house, "journey_lifecycle", *told, *told)
    counts = query(
        bigquery_client,
        house,
        "SELECT (SELECT COUNT(*) FROM `{d}.journey_abandonments`), (SELECT COUNT(*) FROM `{d}.abandonments`), "
        "(SELECT COUNT(*) FROM `{d}.journey_lifecycle`), (SELECT COUNT(*) FROM `{d}.lifecycle`)",
    )
    assert counts == [(9, 5, 8, 4)]


def test_money_is_exact_dollars(bigquery_client, house):
    """Micros that no double could sum: the views say NUMERIC."""
    apply(bigquery_client, house)
    odd = [100_000, 200_000, 9_007_199_254_740_993, 1]
    records = [abandonment(number, total_penalty_micros=micros) for number, micros in enumerate(odd)]
    insert(bigquery_client, house, "journey_abandonments", *records)
    found = query(bigquery_client, house, "SELECT total_penalty FROM `{d}.abandonments` ORDER BY abandonment_id")
    assert [value for (value,) in found] == [Decimal(micros) / 1_000_000 for micros in odd]
    assert all(isinstance(value, Decimal) for (value,) in found)
    ((total,),) = query(bigquery_client, house, "SELECT SUM(total_penalty) FROM `{d}.abandonments`")
    assert total == Decimal(sum(odd)) / 1_000_000


def test_user_journeys_has_each_journey_as_it_stands(bigquery_client, house):
    """Open, converted, abandoned, returned after an abandonment, and abandoned a second time."""
    apply(bigquery_client, house)
    insert(
        bigquery_client,
        house,
        "journey_lifecycle",
        lifecycle(1, "started", "open", T0),
        lifecycle(2, "extended", "open", T0, occurred_at=T0 + DAY),
        lifecycle(3, "started", "bought", T0),
        lifecycle(4, "converted", "bought", T0, occurred_at=T0 + DAY, state="CONVERTED"),
        lifecycle(5, "started", "gone", T0),
        lifecycle(6, "started", "back", T0),
        lifecycle(7, "returned", "back", T0 + 30 * DAY),
        lifecycle(8, "started", "twice", T0),
        lifecycle(9, "returned", "twice", T0 + 30 * DAY),
        lifecycle(10, "late_touchpoint", "gone", T0, occurred_at=T0 + DAY),
        lifecycle(11, "refused", "gone", T0, occurred_at=T0 + 20 * DAY),
    )
    ends = {"gone": T0, "back": T0, "twice": T0}
    records = [abandonment(n, journey_id=j, started_at=at) for n, (j, at) in enumerate(ends.items())]
    second = abandonment(9, journey_id="twice", started_at=T0 + 30 * DAY, abandoned_at=T0 + 50 * DAY)
    insert(bigquery_client, house, "journey_abandonments", *records, second)
    found = query(
        bigquery_client,
        house,
        "SELECT journey_id, status, abandonment_id, episode_count FROM `{d}.user_journeys` ORDER BY 1",
    )
    assert found == [
        ("back", "open", None, 2),
        ("bought", "converted", None, 1),
        ("gone", "abandoned", "a0", 1),
        ("open", "open", None, 1),
        ("twice", "abandoned", "a9", 2),
    ]
