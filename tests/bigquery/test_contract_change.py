"""A contract changes while rows flow: a nullable field comes in, and nothing else can."""

from typing import Any

import pytest

from journeys.agents.bigquery.deployment import apply
from journeys.schemas.catalog import fingerprint
from tests.fixtures.fresh_kafka import emptied

from .next_version import DEVICE, NextVersion, with_device, written_as
from .rows import abandonment, query
from .sink_process import publish

pytestmark = [pytest.mark.broker, pytest.mark.slow]

PART = 200


def with_text_for_days(contract: dict[str, Any]) -> None:
    """A breaking change: another type, beside a field that could be added."""
    (field,) = [field for field in contract["fields"] if field["name"] == "days_active"]
    field["type"] = "string"
    contract["fields"].append(DEVICE | {"name": "harmless"})


def test_a_nullable_field_comes_in_while_the_sink_runs_and_a_breaking_change_does_not(
    broker, sinks, bigquery_client, house, tmp_path
):
    """The next version brings the table, then its sink, then its worker; rows of both versions flow all the time."""
    settings = emptied(broker)
    apply(bigquery_client, house)
    older = sinks(settings, house)
    older.start()
    publish(settings, [abandonment(number) for number in range(PART)])
    older.wait_until(lambda: older.committed() >= PART, "rows are missing")

    later = NextVersion(tmp_path / "later", with_device)
    done = later.run(house, "bigquery", "apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert "done: add to journey_abandonments: device" in done.stdout
    publish(settings, [abandonment(number) for number in range(PART, 2 * PART)])
    older.wait_until(lambda: older.committed() >= 2 * PART, "the version before can't write into the wider table")

    newer = sinks(settings, house, group=older.group, root=later.root)
    newer.start()
    older.stop()
    both = [
        written_as(later.contract, fingerprint(later.contract), number, device=f"phone {number}")
        if number % 2
        else abandonment(number)
        for number in range(2 * PART, 3 * PART)
    ]
    publish(settings, both)
    newer.wait_until(lambda: newer.committed() >= 3 * PART, "rows are missing")

    breaking = NextVersion(tmp_path / "breaking", with_text_for_days)
    refused = breaking.run(house, "bigquery", "apply")
    assert refused.returncode == 2
    assert "journey_abandonments: days_active is INTEGER and would become STRING" in refused.stderr
    assert "nothing was changed" in refused.stderr
    publish(
        settings,
        [
            written_as(later.contract, fingerprint(later.contract), number, device="phone")
            for number in range(3 * PART, 4 * PART)
        ],
    )
    newer.wait_until(lambda: newer.committed() >= 4 * PART, "the refused change has stopped the sink")
    newer.stop()

    there = bigquery_client.get_table(f"{house.path}.journey_abandonments")
    assert [field.name for field in there.schema][-1] == "device"
    devices = {number: f"phone {number}" for number in range(2 * PART, 3 * PART) if number % 2}
    devices |= dict.fromkeys(range(3 * PART, 4 * PART), "phone")
    for table in ("journey_abandonments", "abandonments"):
        found = query(bigquery_client, house, f"SELECT abandonment_id, days_active, device FROM `{{d}}.{table}`")
        assert sorted(found) == sorted((f"a{number}", 11, devices.get(number)) for number in range(4 * PART))
