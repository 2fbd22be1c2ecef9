"""Each alert fires at what it is for and at nothing else: series of metrics, played through Prometheus's promtool."""

from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from tests.fixtures.promtool import promtool

from .exposed import exposed_names, names_in

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/alerts.yaml"
TARGET = 'instance="w{}",job="journeys"'
EACH = f'application="shop",mode="worker",{TARGET}'
WORKER = {1: EACH.format(1), 2: EACH.format(2)}
HOURS = 3
WELL = {
    **{f"journeys_build_info{{{labels}}}": "1x{end}" for labels in WORKER.values()},
    **{f"journeys_ready{{{labels}}}": "1x{end}" for labels in WORKER.values()},
    **{f"journeys_store_healthy{{{labels}}}": "1x{end}" for labels in WORKER.values()},
    **{f"journeys_input_partitions{{{labels}}}": "2x{end}" for labels in WORKER.values()},
    **{f"process_start_time_seconds{{{TARGET.format(number)}}}": "5x{end}" for number in WORKER},
    **{f"journeys_dead_letters_total{{{labels}}}": "7x{end}" for labels in WORKER.values()},
    **{
        f'{name}{{{labels},partition="{number}"}}': values
        for number, labels in WORKER.items()
        for name, values in {
            "journeys_partition_owned": "1x{end}",
            "journeys_lag_records": "5x{end}",
            "journeys_next_offset": "0+1000x{end}",
            "journeys_clock_lag_seconds": "1x{end}",
        }.items()
    },
}
"""Two workers with a partition each, for three hours; a value a minute."""
W1, W2 = WORKER.values()
OF_1, OF_2 = f'{W1},partition="1"', f'{W2},partition="2"'


class Scenario(NamedTuple):
    """What differs from two workers that are well: series by a part of their names; None for none of them."""

    name: str
    changed: dict[str, str | None]
    at: int
    """Minutes after which it is looked at; most things happen at 60."""
    fires: tuple[str, ...] = ()
    """Alerts that fire then; no other one may."""


def series_of(changed: dict[str, str | None]) -> list[dict[str, str]]:
    """Series of a scenario, as promtool wants them."""
    series = dict(WELL)
    for part, values in changed.items():
        matching = [name for name in series if part in name]
        for name in matching:
            del series[name]
        if values is not None:
            series |= dict.fromkeys(matching or [part], values)
    return [{"series": name, "values": values.format(end=HOURS * 60)} for name, values in series.items()]


SCENARIOS = [
    Scenario("all is well", {}, 100),
    Scenario("nobody has ever scraped a worker", {"": None}, 3, ("JourneysNoWorker",)),
    Scenario(
        "row 13: all workers are dead for 50 minutes",
        {"{": "1x59 stale _x{end}", "next_offset": "0+1000x59 stale", "lag_records": "5x59 stale"},
        110,
        ("JourneysNoWorker",),
    ),
    Scenario(
        "row 13: one application of two has no worker",
        {'journeys_build_info{application="other",mode="worker",instance="o",job="journeys"}': "1x59 stale"},
        65,
        ("JourneysNoWorker",),
    ),
    Scenario(
        "row 13: a partition without an owner",
        {f"journeys_partition_owned{{{OF_2}": "1x59 stale"},
        65,
        ("JourneysPartitionWithoutOwner",),
    ),
    Scenario(
        "row 13: no partition has an owner",
        {"journeys_partition_owned": "1x59 stale"},
        65,
        ("JourneysPartitionWithoutOwner",),
    ),
    Scenario(
        "row 7: partitions were added, and no worker has them",
        {"journeys_input_partitions": "2x59 4x{end}"},
        65,
        ("JourneysPartitionWithoutOwner",),
    ),
    Scenario(
        "row 7: a worker ends because its topics changed, and is not started again",
        {W1: "1x59 stale", W2: "1x59 stale"},
        65,
        ("JourneysNoWorker",),
    ),
    Scenario(
        "row 5: partitions wait for a registry that is away",
        {f"journeys_schema_ids_waiting{{{W2}}}": "0x59 2x{end}"},
        65,
        ("JourneysRegistryAway",),
    ),
    Scenario(
        "row 13: a worker that hangs applies nothing",
        {f"journeys_next_offset{{{OF_2}": "0+1000x59 60000x{end}"},
        70,
        ("JourneysStuck",),
    ),
    Scenario(
        "row 13: the loop of a worker is stuck",
        {
            f"journeys_ready{{{W2}": "1x59 0x{end}",
            f"journeys_store_healthy{{{W2}": "1x59 0x{end}",
            f'journeys_not_ready{{{W2},reason="stuck"}}': "_x60 1x{end}",
            OF_2: "1x59 stale",
        },
        75,
        ("JourneysNotReady", "JourneysPartitionWithoutOwner", "JourneysStoreAway"),
    ),
    Scenario(
        "row 10: a worker that is not let into its group",
        {f"journeys_ready{{{W2}": "0x{end}", f'journeys_not_ready{{{W2},reason="joining"}}': "1x{end}"},
        15,
        ("JourneysNotReady",),
    ),
    Scenario(
        "row 10: a worker that is not let into its group, ends and is started again",
        {
            f"journeys_ready{{{W2}": "0 0 _ 0 0 _ 0 0 _ 0 0 _ 0 0 _ 0 0 _ 0 0 _ 0 0 _ 0 0 _ 0 0 _ 0 0",
            f'journeys_not_ready{{{W2},reason="joining"}}': "1 1 _ 1 1 _ 1 1 _ 1 1 _ 1 1 _ 1 1 _ 1 1 _ 1 1 _ 1 1 _ 1",
            'process_start_time_seconds{instance="w2"': "1 1 _ 4 4 _ 7 7 _ 10 10 _ 13 13 _ 16 16 _ 19 19 _ 22 22",
        },
        22,
        ("JourneysNotReady", "JourneysRestarts"),
    ),
    Scenario(
        "a restore of four minutes",
        {
            f"journeys_ready{{{W2}": "1x59 0x3 1x{end}",
            f'journeys_not_ready{{{W2},reason="restoring"}}': "_x60 1x3",
        },
        100,
    ),
    Scenario(
        "no time is written",
        {f"journeys_clock_lag_seconds{{{OF_2}": "1x59 1+60x{end}"},
        70,
        ("JourneysTimeStandsStill",),
    ),
    Scenario(
        "row 1: a partition's clock is four days ahead",
        {f"journeys_clock_lag_seconds{{{OF_2}": "1x59 -345600x{end}"},
        65,
        ("JourneysClockAhead",),
    ),
    Scenario(
        "row 1: a worker's clock runs ahead of the brokers'",
        {f"journeys_clock_difference_seconds{{{OF_2}}}": "1x59 20x{end}"},
        65,
        ("JourneysClockDiffers",),
    ),
    Scenario(
        "row 1: a worker's clock falls behind the brokers'",
        {f"journeys_clock_difference_seconds{{{OF_2}}}": "-1x59 -20x{end}"},
        67,
        ("JourneysClockDiffers",),
    ),
    Scenario("Kafka is away", {"journeys_store_healthy": "1x59 0x{end}"}, 65, ("JourneysStoreAway",)),
    Scenario("more comes in than is applied", {"journeys_lag_records": "5+9000x{end}"}, 60, ("JourneysFallsBehind",)),
    Scenario("a long backlog becomes shorter", {"journeys_lag_records": "9000000-9000x{end}"}, 100),
    Scenario(
        "the sink falls behind",
        {'journeys_sink_lag_records{application="shop",mode="sink",topic="t",partition="0"}': "0+9000x{end}"},
        60,
        ("JourneysSinkFallsBehind",),
    ),
    Scenario(
        "row 13: 5,000 dead letters at the first scrape",
        {f"journeys_dead_letters_total{{{W2}": "_x60 5000x{end}"},
        62,
        ("JourneysDeadLetters",),
    ),
    Scenario(
        "row 13: as many dead letters after a restart as before it, elsewhere",
        {
            f"journeys_dead_letters_total{{{W2}": "5000x59 stale",
            f"journeys_dead_letters_total{{{EACH.format(3)}}}": "_x61 5000x{end}",
        },
        63,
        ("JourneysDeadLetters",),
    ),
    Scenario("a dead letter", {f"journeys_dead_letters_total{{{W2}": "7x59 8x{end}"}, 62, ("JourneysDeadLetters",)),
    Scenario("dead letters of an hour ago", {f"journeys_dead_letters_total{{{W2}": "7x29 5000x{end}"}, 90),
    Scenario(
        "records that BigQuery does not take",
        {'journeys_sink_refused_total{application="shop",mode="sink",instance="s"}': "0x59 3x{end}"},
        62,
        ("JourneysDeadLetters",),
    ),
    Scenario(
        "row 4: a worker's memory is full",
        {f"journeys_memory_limit_reached{{{W2}}}": "0x59 1x{end}"},
        70,
        ("JourneysMemoryFull",),
    ),
    Scenario(
        "cleanup does not keep up",
        {f"journeys_cleanup_lag_seconds{{{W2}}}": "0x59 4000x{end}"},
        80,
        ("JourneysCleanupBehind",),
    ),
    Scenario(
        "Redis is away",
        {'journeys_redis_breaker{application="shop",mode="embedded",instance="t",state="opened"}': "0x59 1x{end}"},
        75,
        ("JourneysRedisAway",),
    ),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_alerts_that_fire(scenario, tmp_path):
    """These, by then, and no other."""
    firing = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in scenario.fires]
    test = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "name": scenario.name,
                "interval": "1m",
                "input_series": series_of(scenario.changed),
                "promql_expr_test": [
                    {
                        "expr": 'group by (alertname) (ALERTS{alertstate="firing"})',
                        "eval_time": f"{scenario.at}m",
                        "exp_samples": firing,
                    }
                ],
            }
        ],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(test))
    told = promtool("test", "rules", "test.yaml", cwd=tmp_path)
    assert told.returncode == 0, told.stdout + told.stderr


def rules() -> list[dict]:
    """All alert rules."""
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    return group["rules"]


def test_rules_are_well_formed(tmp_path):
    """By promtool itself, its warnings included."""
    told = promtool("check", "rules", "--lint=all", "--lint-fatal", str(RULES), cwd=tmp_path)
    assert told.returncode == 0, told.stdout + told.stderr


def test_alerts_ask_for_names_that_there_are():
    """Every name that a rule asks for is exposed by somebody."""
    for rule in rules():
        asked = names_in(rule["expr"])
        assert asked, rule["alert"]
        assert asked <= exposed_names(), rule["alert"]


def test_each_alert_is_played_and_has_its_place_in_the_runbook():
    """In a scenario above in which it fires; with a heading where its annotation leads."""
    names = {rule["alert"] for rule in rules()}
    assert names == {name for scenario in SCENARIOS for name in scenario.fires}
    page = (ROOT / "docs/runbook.md").read_text()
    headings = [line.removeprefix("### ") for line in page.splitlines() if line.startswith("### ")]
    assert [heading for heading in headings if heading.startswith("Journeys")] == [rule["alert"] for rule in rules()]
    for rule in rules():
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("page", "ticket")
