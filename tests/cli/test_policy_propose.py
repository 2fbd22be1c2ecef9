"""`journeys policy propose`: thresholds from a history, judged on what came later."""

import json

import pytest

from journeys.agents.demo.cdnow import purchases
from journeys.streams.rule.policy import policy_from_toml

DAY_240 = "1997-08-29T00:00:00Z"
SEEN = ("--horizon-days", "90", "--train-until", DAY_240)


@pytest.fixture(scope="module")
def cdnow(tmp_path_factory):
    """CDNOW's purchases as a file of lines."""
    path = tmp_path_factory.mktemp("cdnow") / "purchases.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in purchases()))
    return str(path)


@pytest.mark.parametrize("price", [14, 60, 180])
def test_at_a_price_it_is_near_the_best_in_hindsight(cli, cdnow, tmp_path, price):
    """At most 5% over the best single threshold, on silences behind those that it learned from; a policy to be used."""
    output = tmp_path / "proposed.toml"
    done = cli("policy", "propose", cdnow, "--wrong-costs-days", str(price), *SEEN, "--output", str(output), "--json")
    assert done.exit_code == 0, done.output
    extra = {one["name"]: one["extra_cost"] for one in json.loads(done.stdout)["check"]["thresholds"]}
    assert extra["best in hindsight"] == 0
    assert extra["by segment, pooled"] <= 0.05 < extra["72 hours"]
    policy = policy_from_toml(output.read_text())
    assert policy.cleanup_ms >= 90 * 86_400_000
    assert cli("policy", "check", str(output)).exit_code == 0


def test_a_promise_is_refused_where_the_history_does_not_show_it(cli, cdnow, tmp_path):
    """People with many purchases come back: no threshold keeps 25% for them, and each refusal says why."""
    output = tmp_path / "proposed.toml"
    asked = ("--wrong-at-most", "0.25", "--confidence", "0.95", *SEEN, "--output", str(output), "--json")
    done = cli("policy", "propose", cdnow, *asked)
    rules = json.loads(done.stdout)["rules"]
    refused = [rule["promise"]["text"] for rule in rules if not rule["promise"]["is_kept"]]
    assert refused
    assert all("No promise" in text for text in refused)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--horizon-days", "30"), "--wrong-costs-days"),
        (("--horizon-days", "30", "--wrong-costs-days", "5", "--wrong-at-most", "0.2"), "--wrong-at-most"),
    ],
)
def test_a_question_without_a_price_or_a_promise_is_wrong_use(cli, cdnow, tmp_path, words, complaint):
    """One of the two, not both: exit code 2, and no file."""
    output = tmp_path / "proposed.toml"
    done = cli("policy", "propose", cdnow, *words, "--output", str(output))
    assert (done.exit_code, complaint in done.stderr, output.exists()) == (2, True, False), done.output
