"""Rights: each role works with exactly its own, and says which one is missing when one is."""

import asyncio

import pytest

from journeys.agents.kafka.missing_rights import MissingRightsError
from journeys.agents.kafka.required_rights import require_worker_rights
from journeys.agents.kafka.rights import Right, acl_command
from journeys.agents.kafka.topic_setup import TopicSetupError, create_topics, require_topics
from journeys.agents.kafka.topic_time import topic_time
from journeys.agents.verify.verification import verify
from journeys.clock import now_ms
from journeys.schemas.codec import Codec
from journeys.schemas.records import Touchpoint
from journeys.schemas.topics import JOURNEY_EVENTS, JOURNEY_LIFECYCLE, changelog_name, topic_map
from tests.fixtures.fresh_kafka import delete_topics
from tests.fixtures.topic_contents import punctuation, touch
from tests.live.topic_exchange import append
from tests.live.worker_process import WorkerProcess

from .acls import grant, revoke
from .secure_kafka import ADMIN
from .users import ROLE_RIGHTS, without

pytestmark = [pytest.mark.broker, pytest.mark.slow]

OPERATORS_COMMANDS = [
    ["verify"],
    ["replay", "topic:journey-events"],
    ["show", "journey-1", "--note", "a complaint"],
    ["check"],
    ["abandon", "journey-1", "--no-wait", "--at", "2025-10-09T09:00:00Z"],
    ["policy", "show"],
    ["policy", "set", "p.toml"],
    ["import", "history.jsonl"],
    ["watch", "--seconds", "0.1"],
    ["topics", "check"],
]


@pytest.fixture
def as_user(cli, monkeypatch, tmp_path, kafka):
    """Give a function that runs a command of the command line as a user."""
    (tmp_path / "p.toml").write_text('version = "p-1"\n')
    (tmp_path / "history.jsonl").write_text(
        '{"journey_id": "journey-2", "touchpoint_id": "t", "occurred_at": "2025-10-09T09:00:00Z", "cost": 1}\n'
    )

    def run(user, *command):
        settings = kafka.scram(user)
        for name in settings.model_fields_set:
            monkeypatch.setenv(f"JOURNEYS_{name.upper()}", str(getattr(settings, name)))
        return cli(*command)

    return run


@pytest.fixture(scope="module")
def some_history(kafka):
    """Begin an input topic of simulated time, with topics for all that is published."""
    admin = kafka.mutual_tls(ADMIN)
    delete_topics(admin)
    asyncio.run(create_topics(admin))
    append(admin, punctuation(0), touch("journey-1", 1, 1_000))


def said(user, right, servers):
    """Sentence about a missing right, with the command that gives it."""
    return (
        f"user {user} may not {right.operation} {right.resource} {right.name}: "
        f"`{acl_command([right], f'User:{user}', servers)}`"
    )


@pytest.mark.parametrize("lacking", ROLE_RIGHTS["worker"], ids=str)
def test_a_worker_that_lacks_one_right_is_told_which(kafka, some_history, lacking):
    """Before it begins: topic or group, operation, and the command that gives it; nothing else is missing."""
    settings = kafka.scram(without("worker", lacking))
    with pytest.raises(MissingRightsError) as raised:
        asyncio.run(require_worker_rights(settings))
    assert raised.value.missing == (lacking,)
    assert str(raised.value) == said(settings.sasl_username, lacking, kafka.bootstrap_servers)


def test_a_worker_without_any_right_is_told_all_of_them(kafka, some_history):
    """In one go, a line for each."""
    with pytest.raises(MissingRightsError) as raised:
        asyncio.run(require_worker_rights(kafka.scram("nobody")))
    assert set(raised.value.missing) == set(ROLE_RIGHTS["worker"])
    assert len(str(raised.value).splitlines()) == len(ROLE_RIGHTS["worker"])


def test_the_right_to_create_counts_only_where_topics_are_missing(kafka, some_history):
    """Of another application only the changelog is missing: a worker creates it, one without the right is told."""
    changelog = changelog_name("shop")
    lacking = kafka.scram("no-creator", application_id="shop")
    with pytest.raises(MissingRightsError) as raised:
        asyncio.run(require_worker_rights(lacking))
    assert raised.value.missing == (Right("Create", "topic", changelog),)
    told_not_to = kafka.scram("no-creator", application_id="shop", create_topics=False)
    asyncio.run(require_worker_rights(told_not_to))
    with pytest.raises(TopicSetupError, match=f"^{changelog} does not exist: create it with `journeys topics create`$"):
        asyncio.run(require_topics(told_not_to))
    creator = kafka.scram("creator", application_id="shop")
    asyncio.run(require_worker_rights(creator))
    assert asyncio.run(require_topics(creator)) == 4
    asyncio.run(require_worker_rights(lacking))


def test_whoever_may_not_see_a_topic_is_not_told_to_create_it(kafka, some_history):
    """Kafka hides what a user may not Describe; that a topic is hidden is another thing than that it is missing."""
    for operation in (create_topics, require_topics):
        with pytest.raises(MissingRightsError) as raised:
            asyncio.run(operation(kafka.scram("nobody")))
        assert {right.operation for right in raised.value.missing} == {"Describe"}
        assert {right.name for right in raised.value.missing} == {topic.name for topic in topic_map("journeys")}
    with pytest.raises(MissingRightsError) as raised:
        asyncio.run(topic_time(kafka.scram("nobody"), Codec()))
    assert raised.value.missing == (Right("Read", "topic", JOURNEY_EVENTS),)


def test_an_operator_does_all_its_work_with_its_rights_alone(as_user, some_history):
    """Every command that an operator has, each without a complaint about a right."""
    for command in OPERATORS_COMMANDS:
        result = as_user("operator", *command)
        assert result.exit_code in (0, 1), (command, result.stderr)  # 1: no worker has published anything here
        assert " may not " not in result.output, command


def command_that_needs(right):
    """Command that can't do its work without a right of the operator's."""
    if right.operation == "DescribeConfigs":
        return ["topics", "check"]
    if right == Right("Write", "topic", JOURNEY_EVENTS):
        return ["policy", "set", "p.toml"]
    if right in (Right("Write", "topic", JOURNEY_LIFECYCLE), Right("Read", "topic", changelog_name("journeys"))):
        return ["show", "journey-1"]
    return ["verify"]


@pytest.mark.parametrize("lacking", ROLE_RIGHTS["operator"], ids=str)
def test_an_operator_that_lacks_one_right_is_told_which(as_user, kafka, some_history, lacking):
    """One line and exit code 2; settings that may not be read are only a warning, they were not checked."""
    user = without("operator", lacking)
    result = as_user(user, *command_that_needs(lacking))
    if lacking.operation == "DescribeConfigs":
        assert result.exit_code == 0
        (line,) = result.stdout.splitlines()
        assert line.startswith(f"warning: {lacking.name}: its settings may not be read by this user")
        return
    assert result.exit_code == 2, result.output
    assert result.stderr.splitlines() == [f"journeys: {said(user, lacking, kafka.bootstrap_servers)}"]


def test_a_producer_without_its_right_is_told(kafka, some_history):
    """With Describe alone, Kafka refuses the first record; without anything, the topic is not even seen."""
    (right,) = ROLE_RIGHTS["producer"]
    for user in ("setup", "nobody"):
        with pytest.raises(MissingRightsError) as raised:
            append(kafka.scram(user), touch("journey-3", 1, 1_000))
        assert raised.value.missing == (right,)


@pytest.mark.parametrize("lacking", ROLE_RIGHTS["trainer"], ids=str)
def test_a_trainer_that_lacks_one_right_is_told_which(as_user, kafka, some_history, lacking):
    """Reading what is published needs the right for each topic."""
    with pytest.raises(MissingRightsError) as raised:
        asyncio.run(verify(kafka.scram(without("trainer", lacking))))
    assert raised.value.missing == (lacking,)


def refusal(worker: WorkerProcess) -> str:
    """Give the one line that a worker says before it ends with exit code 2."""
    assert worker.exit_code(60) == 2, worker.told("did not refuse")
    (line,) = worker.log.splitlines()
    return line


@pytest.mark.parametrize("topic", [JOURNEY_EVENTS, JOURNEY_LIFECYCLE, changelog_name("journeys")])
def test_a_worker_that_loses_a_right_ends_and_says_at_its_next_start_what_is_missing(
    kafka, workers, some_history, topic
):
    """Without Write on the input topic time would stand still in silence; exit code 70, and 2 at the next start."""
    right = Right("Write", "topic", topic)
    admin = kafka.mutual_tls(ADMIN)
    delete_topics(admin)
    asyncio.run(create_topics(admin))
    settings = kafka.scram("dismissed")
    worker = workers.start(settings)
    worker.wait_until_logged("restored: partitions [0, 1, 2, 3]")
    asyncio.run(revoke(admin, "dismissed", right))
    append(admin, Touchpoint("journey-1", None, "t-1", now_ms()))
    assert worker.exit_code(60) == 70, worker.told("did not end")
    assert f"worker ends: no right to Write topic {topic} any more (exit 70)" in worker.log
    assert refusal(workers.start(settings)) == f"journeys: {said('dismissed', right, kafka.bootstrap_servers)}"
    asyncio.run(grant(admin, [("dismissed", right)]))
    again = workers.start(settings)
    again.wait_until_logged("restored: partitions [0, 1, 2, 3]")
    workers.wait_until_applied(admin)
    again.stop()
