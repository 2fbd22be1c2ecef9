"""The dashboard asks for what there is, in PromQL that Prometheus takes."""

import json
from itertools import combinations
from pathlib import Path

import yaml

from tests.fixtures.promtool import promtool

from .exposed import exposed_names, names_in

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "deploy/grafana/journeys.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = {panel["title"]: [target["expr"] for target in panel["targets"]] for panel in PANELS}


def test_every_panel_asks_for_names_that_there_are():
    """Whoever exposes them."""
    assert len(QUERIES) == len(PANELS), "two panels of one title"
    for title, queries in QUERIES.items():
        for query in queries:
            names = names_in(query)
            assert names or "ALERTS" in query, title
            assert names <= exposed_names(), title


def test_every_query_is_promql(tmp_path):
    """As a recording rule, with values in place of Grafana's variables."""
    rules = [
        {"record": f"panel_{number}", "expr": query.replace("$__rate_interval", "5m").replace("$application", ".*")}
        for number, query in enumerate(query for queries in QUERIES.values() for query in queries)
    ]
    assert not any("$" in rule["expr"] for rule in rules)
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    told = promtool("check", "rules", "rules.yaml", cwd=tmp_path)
    assert told.returncode == 0, told.stdout + told.stderr
    assert f"{len(rules)} rules found" in told.stdout


def test_panels_have_room_and_a_source():
    """No two overlap; each asks the Prometheus that is chosen, and only for the application that is chosen."""
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for one, other in combinations((panel["gridPos"] for panel in DASHBOARD["panels"]), 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert apart_x or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"], (one, other)
    for panel in PANELS:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
        for query in QUERIES[panel["title"]]:
            assert "$application" in query or "ALERTS" in query
