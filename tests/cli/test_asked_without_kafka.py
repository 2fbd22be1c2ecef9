"""Questions asked of files alone: counts, money, sweeps and files of abandonments."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from .console_script import journeys
from .test_your_data import PRESETS, SAMPLES, told

# One row after the other of each journey, stated apart from the rule: when the episode ended, and as what.
INDEPENDENT = """
WITH RECURSIVE numbered AS (
  SELECT j, ts, state, cost, value, row_number() OVER (PARTITION BY j ORDER BY ts, line) AS n FROM touchpoints
),
steps AS (
  SELECT j, n, ts AS started, ts AS last_at, coalesce(state, 'UNAWARE') AS state, cost, value,
    state IS NOT DISTINCT FROM 'CONVERTED' AS bought, NULL::BIGINT AS lost_at, FALSE AS back, TRUE AS begins,
    NULL::BIGINT AS lost_started, NULL::VARCHAR AS lost_state, NULL::BIGINT AS lost_cost, NULL::BIGINT AS lost_value,
    NULL::VARCHAR AS reason, FALSE AS late
  FROM numbered WHERE n = 1
  UNION ALL
  SELECT j, n, CASE WHEN begins THEN ts ELSE started END, CASE WHEN late THEN last_at ELSE ts END,
    CASE WHEN late THEN old_state WHEN begins THEN coalesce(state, 'UNAWARE') ELSE coalesce(state, old_state) END,
    CASE WHEN late THEN old_cost WHEN begins THEN cost ELSE old_cost + cost END,
    CASE WHEN late THEN old_value WHEN begins THEN value ELSE coalesce(value, old_value) END,
    CASE WHEN late THEN bought ELSE state IS NOT DISTINCT FROM 'CONVERTED' END,
    CASE WHEN ended THEN deadline END, ended AND ts < deadline + 30 * 86400000::BIGINT, begins,
    CASE WHEN ended THEN started END, CASE WHEN ended THEN old_state END, CASE WHEN ended THEN old_cost END,
    CASE WHEN ended THEN old_value END,
    CASE WHEN ended THEN CASE WHEN deadline = started + 14 * 86400000::BIGINT THEN 'TIMEOUT' ELSE 'INACTIVITY' END END,
    late
  FROM (
    SELECT next.*, before.started, before.last_at, before.bought, before.state AS old_state, before.cost AS old_cost,
      before.value AS old_value,
      least(before.started + 14 * 86400000::BIGINT, before.last_at + 72 * 3600000::BIGINT) AS deadline,
      NOT before.bought AND next.ts >= deadline AS ended, before.bought AND next.ts <= before.last_at AS late,
      ended OR (before.bought AND NOT late) AS begins
    FROM steps AS before JOIN numbered AS next ON next.j = before.j AND next.n = before.n + 1
  )
),
last_steps AS (
  SELECT *, least(started + 14 * 86400000::BIGINT, last_at + 72 * 3600000::BIGINT) AS deadline FROM steps
  QUALIFY n = max(n) OVER (PARTITION BY j)
),
losses AS (
  SELECT lost_at, lost_started AS started, lost_state AS state, lost_cost AS cost, lost_value AS value, reason
  FROM steps
  WHERE lost_at IS NOT NULL
  UNION ALL
  SELECT deadline, started, state, cost, value,
    CASE WHEN deadline = started + 14 * 86400000::BIGINT THEN 'TIMEOUT' ELSE 'INACTIVITY' END
  FROM last_steps WHERE NOT bought AND deadline + {grace_ms} <= (SELECT max(ts) FROM touchpoints)
),
priced AS (
  SELECT reason,
    round_even(cost * (0.15 + CASE state WHEN 'UNAWARE' THEN 0.1 WHEN 'AWARE' THEN 0.2 WHEN 'CONSIDERING' THEN 0.5
        ELSE 0.8 END)
      * (1 - pow(0.8, greatest(1, (lost_at - started) // 86400000)))
      * CASE reason WHEN 'TIMEOUT' THEN 1 ELSE 0.8 END, 0)::BIGINT AS on_spend,
    round_even(0.25 * coalesce(value, 100000000)
      * CASE state WHEN 'UNAWARE' THEN 0.01 WHEN 'AWARE' THEN 0.05 WHEN 'CONSIDERING' THEN 0.3 ELSE 0.5 END, 0)::BIGINT
      AS opportunity
  FROM losses
)
SELECT (SELECT count(*) FROM priced WHERE reason = 'TIMEOUT'),
  (SELECT count(*) FROM priced WHERE reason = 'INACTIVITY'),
  (SELECT count(*) FROM steps WHERE back), (SELECT count(*) FROM steps WHERE bought AND NOT late),
  (SELECT sum(on_spend) FROM priced)::BIGINT, (SELECT sum(opportunity) FROM priced)::BIGINT
"""
GA4 = """
SELECT user_pseudo_id AS j, event_timestamp::BIGINT // 1000 AS ts, row_number() OVER () AS line, 0 AS cost,
  CASE event_name WHEN 'page_view' THEN 'AWARE' WHEN 'view_item' THEN 'CONSIDERING' WHEN 'add_to_cart' THEN 'INTENT'
    WHEN 'purchase' THEN 'CONVERTED' END AS state,
  NULL::BIGINT AS value
FROM read_json('{path}')
"""
LINES = """
SELECT journey_id AS j, epoch_ms(occurred_at::TIMESTAMP) AS ts, row_number() OVER () AS line,
  (cost::DECIMAL(18, 6) * 1000000)::BIGINT AS cost, state, NULL::BIGINT AS value
FROM read_json('{path}', columns = {{journey_id: 'VARCHAR', occurred_at: 'VARCHAR', cost: 'VARCHAR', state: 'VARCHAR'}})
"""
GRACE_MS = 60_000


def random_lines(path: Path) -> None:
    """Journeys with silences around the durations of the policy, in order of time; some buy, some come back."""
    sql = """
    SELECT 'j-' || (hash(i) % 400)::VARCHAR AS journey_id, 't-' || i AS touchpoint_id, 'touchpoint' AS kind,
      strftime(make_timestamp(((1770000000000 + i * 600000 + hash(i * 7) % 600000) * 1000)::BIGINT),
        '%Y-%m-%dT%H:%M:%S.%gZ')
        AS occurred_at,
      ((hash(i * 3) % 4000) / 1000)::DECIMAL(9, 3)::VARCHAR AS cost,
      ['UNAWARE', 'AWARE', 'CONSIDERING', 'INTENT', 'CONVERTED'][(1 + hash(i * 5) % 5)::BIGINT] AS state
    FROM range(15000) AS t(i) ORDER BY i
    """
    duckdb.sql(f"COPY ({sql}) TO '{path}' (FORMAT json)")


@pytest.mark.parametrize("name", ["ga4", "ecom", "random"])
def test_counts_and_money_are_those_of_an_independent_query(cli, tmp_path, name):
    """Abandonments by reason, returns, conversions, money on spend and opportunity, to the micro."""
    path, query, mapped = tmp_path / "x.jsonl", LINES, ()
    if name == "ga4":
        path, query, mapped = SAMPLES / "ga4.jsonl", GA4, ("--map", "ga4")
    elif name == "ecom":
        assert cli("ecom", "--output", str(path)).exit_code == 0
    else:
        random_lines(path)
    with duckdb.connect() as database:
        database.execute(f"CREATE TABLE touchpoints AS {query.format(path=path)}")
        (expected,) = database.execute(INDEPENDENT.format(grace_ms=GRACE_MS)).fetchall()
    found = told(cli("replay", str(path), *mapped, "--output", "out.jsonl", "--json"))
    ends, on_spend = found["abandonments"], found["total_penalty_micros"] - found["opportunity_micros"]
    assert (
        *(ends["TIMEOUT"], ends["INACTIVITY"], found["returns"], found["conversions"]),
        *(on_spend, found["opportunity_micros"]),
    ) == expected
    assert min(expected[1:4]) > 0
    (tally,) = told(cli("backtest", str(path), *mapped, "--json"))["policies"]
    assert tally["abandonments"] == ends
    assert sum(tally["penalty_micros"].values()) == on_spend
    assert sum(tally["assumed_micros"].values()) == found["assumed_micros"] > 0


@pytest.mark.parametrize("preset", PRESETS)
def test_each_preset_in_three_commands(cli, tmp_path, preset):
    """Look at its sample, let a mapping be written, ask for a report."""
    sample = str(SAMPLES / PRESETS[preset][0])
    assert cli("inspect", sample, "--write", "map.toml").exit_code == 0
    made = cli("report", sample, "--map", "map.toml", "--html", "report.html", "--json")
    report = json.loads(made.stdout)
    assert report["outcomes"][0]["abandonments"] > 0
    assert "of that by defaults" in (tmp_path / "report.html").read_text("utf-8")


def generated(cli) -> str:
    """A history whose touchpoints give values and probabilities, but not all."""
    assert cli("generate", "--journeys", "60", "--seed", "7", "--output", "t.jsonl").exit_code == 0
    return "t.jsonl"


def test_row_5_measured_and_assumed_money_stand_apart(cli):
    """On spend, and opportunity, of that how much by defaults: the same in a replay, a backtest and a report."""
    path = generated(cli)
    shown = cli("replay", path, "--output", "out.jsonl").stderr
    assert "on spend" in shown
    assert "of that by defaults" in shown
    assert "of that by defaults" in cli("backtest", path).stdout
    summary = told(cli("replay", path, "--output", "out.jsonl", "--json"))
    lines = [json.loads(line) for line in Path("out.jsonl").read_text("utf-8").splitlines()]
    assumed = sum(one["opportunity_cost_micros"] for one in lines if one["probability_assumed"] or one["value_assumed"])
    assert 0 < summary["assumed_micros"] == assumed < summary["opportunity_micros"]
    for more in ((), ("--reference",)):
        (tally,) = told(cli("backtest", path, "--json", *more))["policies"]
        assert sum(tally["assumed_micros"].values()) == assumed
    report = told(cli("report", path, "--json"))
    spent = summary["total_penalty_micros"] - summary["opportunity_micros"]
    for rows in ("outcomes", "by_reason", "by_state", "by_channel", "by_policy"):
        sums = [
            sum(row[f"{name}_micros"] for row in report[rows]) for name in ("spend_penalty", "opportunity", "assumed")
        ]
        assert sums == [spent, summary["opportunity_micros"], assumed], rows


def test_row_6_a_report_reads_a_file_of_abandonments(cli):
    """Three times the same, and the money of the history itself; what the file does not hold is not told as 0."""
    path = generated(cli)
    assert cli("backtest", path, "--abandonments", "lost.parquet").exit_code == 0
    first, *others = [told(cli("report", "lost.parquet", "--json")) for _ in range(3)]
    assert others == [first, first]
    whole = told(cli("report", path, "--json"))
    for rows in ("by_reason", "by_state", "by_policy"):
        assert first[rows] == whole[rows]
    assert (first["outcomes"][0]["conversions"], first["return_rate"], first["after"]) == (None, None, [])
    written = duckdb.sql("SELECT abandonment_id FROM 'lost.parquet'").fetchall()
    assert cli("replay", path, "--output", "out.jsonl").exit_code == 0
    lines = Path("out.jsonl").read_text("utf-8").splitlines()
    assert {name for (name,) in written} == {json.loads(line)["abandonment_id"] for line in lines}
    assert cli("report", "lost.parquet").exit_code == 0


def test_row_6_policies_of_one_file_are_not_mixed(cli):
    """They end the same episodes under the same ids: one is to be named."""
    path = generated(cli)
    cli("backtest", path, "--inactivity-hours", "24,48", "--abandonments", "lost.parquet")
    result = cli("report", "lost.parquet")
    assert result.exit_code == 2
    assert "--policy-version: default-1 24h, default-1 48h" in result.stderr
    one = told(cli("report", "lost.parquet", "--policy-version", "default-1 24h", "--json"))
    assert [row["policy_version"] for row in one["by_policy"]] == ["default-1 24h"]
    assert cli("report", "lost.parquet", "--policy-version", "other").exit_code == 2
    assert cli("report", path, "--policy-version", "other").exit_code == 2


def test_row_12_a_sweep_is_readable_in_a_pipe(cli, tmp_path):
    """A line for each policy, none of them broken."""
    generated(cli)
    options = ("--inactivity-hours", "24,48,72,168", "--timeout-days", "7,14")
    shown = journeys("backtest", "t.jsonl", *options, cwd=tmp_path).stdout
    lines = [line for line in shown.splitlines() if line.startswith(" default-1")]
    assert [line.split("│")[0].strip() for line in lines] == [
        f"default-1 {hours}h {days}d" for hours in (24, 48, 72, 168) for days in (7, 14)
    ]
    assert max(map(len, shown.splitlines())) <= 110


def test_row_13_ecom_works_outside_the_repository(cli, tmp_path):
    """From whatever folder; so does the demo, of which the beginning is tried here."""
    shown = journeys("ecom", "--made", "1", cwd=tmp_path)
    assert shown.returncode == 0
    assert len(shown.stdout.splitlines()) > 30_000
    assert journeys("demo", "--mapping", "missing.toml", cwd=tmp_path).stderr.startswith(
        "journeys: missing.toml: can't"
    )
