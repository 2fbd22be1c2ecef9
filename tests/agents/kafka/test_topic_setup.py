"""Topics are created as the topic map says, and checked against it."""

import asyncio

import pytest

from journeys.agents.kafka.topic_problems import Cluster, TopicState, problems
from journeys.agents.kafka.topic_setup import TopicOutcome, TopicSetupError, check_topics, create_topics, require_topics
from journeys.schemas.topics import JOURNEY_ABANDONMENTS, JOURNEY_EVENTS, changelog_name, topic_map
from tests.fixtures.fresh_kafka import bare, create_by_hand

TOPICS = topic_map("shop")
CHANGELOG = changelog_name("shop")
FINE = {topic.name: TopicState(4, topic.settings) for topic in TOPICS}


def found(name: str, count: int = 4, **settings: str) -> list[tuple[str, str, str]]:
    """Problems of topics that are fine but for one: severity, topic, text."""
    asked = next(topic.settings for topic in TOPICS if topic.name == name)
    given = {key.replace("_", "."): value for key, value in settings.items()}
    return problems(TOPICS, FINE | {name: TopicState(count, asked | given)}, Cluster("kafka:9092"))


def test_topics_as_the_map_says_have_no_problem():
    """Nothing is found where nothing is wrong."""
    assert problems(TOPICS, FINE, Cluster("kafka:9092")) == []


@pytest.mark.parametrize(
    ("name", "settings", "severity", "said"),
    [
        (CHANGELOG, {"cleanup_policy": "delete"}, "error", "has cleanup.policy=delete, it should be compact"),
        (CHANGELOG, {"cleanup_policy": "compact,delete"}, "error", "it should be compact: "),
        (JOURNEY_EVENTS, {"cleanup_policy": "compact"}, "error", "has cleanup.policy=compact, it should be delete"),
        (
            JOURNEY_EVENTS,
            {"message_timestamp_type": "CreateTime"},
            "error",
            "has message.timestamp.type=CreateTime, it should be LogAppendTime",
        ),
        (
            JOURNEY_EVENTS,
            {"retention_ms": "604800000"},
            "warning",
            "has retention.ms=604800000, it should be -1 (a replay needs every record)",
        ),
        (JOURNEY_ABANDONMENTS, {"retention_bytes": "1000"}, "warning", "has retention.bytes=1000, it should be -1"),
        (JOURNEY_EVENTS, {"max_message_bytes": "1048588"}, "warning", "it should be at least 4194304"),
        (JOURNEY_ABANDONMENTS, {"message_timestamp_type": "CreateTime"}, "warning", "it should be LogAppendTime"),
        (JOURNEY_EVENTS, {"compression_type": "producer"}, "warning", "it should be zstd"),
        (
            CHANGELOG,
            {"unclean_leader_election_enable": "true"},
            "error",
            "(else acknowledged records may be thrown away)",
        ),
        (CHANGELOG, {"min_compaction_lag_ms": "0"}, "warning", "it should be at least 86400000"),
        (CHANGELOG, {"delete_retention_ms": "3600000"}, "error", "it should be at least 86400000 (so long may rows"),
    ],
)
def test_a_wrong_setting_is_said_with_its_remedy(name, settings, severity, said):
    """One sentence: what is, what should be, the command that mends it."""
    (problem,) = found(name, **settings)
    assert (problem.severity, problem.topic) == (severity, name)
    assert problem.text.startswith(f"{name} has ")
    assert said in problem.text
    assert f"--alter --entity-type topics --entity-name {name} --add-config" in problem.text


@pytest.mark.parametrize("setting", ["max_message_bytes", "min_compaction_lag_ms", "delete_retention_ms"])
def test_more_than_enough_is_no_problem(setting):
    """Limits from below hold from below only."""
    name = JOURNEY_EVENTS if setting == "max_message_bytes" else CHANGELOG
    assert found(name, **{setting: "99999999999"}) == []


@pytest.mark.parametrize("count", [2, 8])
def test_partition_counts_that_differ_are_errors(count):
    """A changelog of another count would keep rows where nobody looks for them; adding partitions is no remedy."""
    (problem,) = found(CHANGELOG, count=count)
    assert problem.severity == "error"
    assert f"{CHANGELOG} has {count} partitions but {JOURNEY_EVENTS} has 4" in problem.text
    assert "`journeys topics copy NEW.env --partitions N`" in problem.text
    assert "Don't raise the count of topics in use" in problem.text


def on_cluster(copies: int, brokers: int, *, meant: bool = False, **settings: str) -> list[tuple[str, str]]:
    """Severity and topic of what is found where every topic has so many copies on so many brokers."""
    given = {key.replace("_", "."): value for key, value in settings.items()}
    states = {topic.name: TopicState(4, topic.settings | given, copies) for topic in TOPICS}
    return [
        (one.severity, one.topic) for one in problems(TOPICS, states, Cluster("kafka:9092", brokers, meant, copies))
    ]


def test_row_12_one_copy_on_a_cluster_is_refused_unless_it_is_meant():
    """And two are warned of; as many as there are brokers, up to three, are fine."""
    every = [topic.name for topic in TOPICS]
    warned = ("warning", "__consumer_offsets")
    assert on_cluster(1, 3) == [*(("error", name) for name in every), warned]
    assert on_cluster(1, 3, meant=True) == [*(("warning", name) for name in every), warned]
    assert on_cluster(2, 3) == [*(("warning", name) for name in every), warned]
    assert on_cluster(1, 1) == on_cluster(2, 2) == on_cluster(3, 5, min_insync_replicas="2") == []


def test_row_12_acknowledged_by_one_broker_of_three_is_an_error():
    """Of every topic; from three copies on."""
    every = [topic.name for topic in TOPICS]
    assert on_cluster(3, 3, min_insync_replicas="1") == [("error", name) for name in every]
    assert on_cluster(3, 3, min_insync_replicas="3") == on_cluster(2, 2, min_insync_replicas="1") == []


def test_settings_that_may_not_be_read_are_a_warning():
    """Who may not look is told that nobody looked."""
    (problem,) = problems(TOPICS, FINE | {CHANGELOG: TopicState(4, None)}, Cluster("kafka:9092"))
    assert (problem.severity, problem.topic) == ("warning", CHANGELOG)


@pytest.mark.broker
def test_created_topics_pass_the_check_and_are_left_alone_the_second_time(broker):
    """Create, check, create again."""
    settings = bare(broker, partitions=3)
    assert {problem.text for problem in asyncio.run(check_topics(settings))} == {
        f"{topic.name} does not exist: create it with `journeys topics create`" for topic in topic_map("journeys")
    }
    names = [topic.name for topic in topic_map("journeys")]
    assert asyncio.run(create_topics(settings)) == [TopicOutcome(name, True, 3) for name in names]
    assert asyncio.run(check_topics(settings)) == []
    assert asyncio.run(create_topics(settings)) == [TopicOutcome(name, False, 3) for name in names]
    assert asyncio.run(require_topics(settings)) == 3


@pytest.mark.broker
def test_missing_topics_get_the_partition_count_of_the_input_topic(broker):
    """What exists decides, whatever the settings say."""
    settings = bare(broker, partitions=5)
    asyncio.run(create_by_hand(settings, {JOURNEY_EVENTS: (2, {})}))
    outcomes = asyncio.run(create_topics(settings))
    assert {outcome.partition_count for outcome in outcomes} == {2}
    assert [outcome.topic for outcome in outcomes if not outcome.created] == [JOURNEY_EVENTS]


@pytest.mark.broker
def test_two_workers_that_begin_together_both_find_the_topics(broker):
    """Whoever is second finds the topic there, which is no error."""
    settings = bare(broker)

    async def both() -> list[int]:
        return await asyncio.gather(require_topics(settings), require_topics(settings))

    assert asyncio.run(both()) == [4, 4]


@pytest.mark.broker
def test_topics_of_another_shape_are_found_wrong_on_a_real_broker(broker):
    """The same problems as in the table above, read from a broker."""
    settings = bare(broker)
    changelog = changelog_name("journeys")
    input_settings = {"retention.ms": "1000", "message.timestamp.type": "LogAppendTime"}
    asyncio.run(
        create_by_hand(
            settings,
            {JOURNEY_EVENTS: (4, input_settings), changelog: (3, {"cleanup.policy": "compact,delete"})},
        )
    )
    said = [(problem.severity, problem.topic) for problem in asyncio.run(check_topics(settings))]
    missing = [("error", topic.name) for topic in topic_map("journeys")[1:-1]]
    assert said == [
        ("warning", JOURNEY_EVENTS),  # retention.ms
        ("warning", JOURNEY_EVENTS),  # compression.type
        *missing,
        ("error", changelog),  # partitions
        ("warning", changelog),  # message.timestamp.type
        ("error", changelog),  # cleanup.policy
        ("warning", changelog),  # min.compaction.lag.ms
    ]


@pytest.mark.broker
def test_a_worker_refuses_topics_with_errors_and_takes_those_with_warnings(broker, caplog):
    """Errors stop it, each in a line; warnings are logged."""
    settings = bare(broker)
    wrong = {"cleanup.policy": "compact", "retention.ms": "1000", "message.timestamp.type": "LogAppendTime"}
    asyncio.run(create_by_hand(settings, {JOURNEY_EVENTS: (4, wrong)}))
    with pytest.raises(TopicSetupError) as raised:
        asyncio.run(require_topics(settings))
    assert [problem.topic for problem in raised.value.problems] == [JOURNEY_EVENTS]
    assert "has cleanup.policy=compact, it should be delete" in str(raised.value)

    settings = bare(broker)
    asyncio.run(create_by_hand(settings, {JOURNEY_EVENTS: (4, wrong | {"cleanup.policy": "delete"})}))
    caplog.clear()
    assert asyncio.run(require_topics(settings)) == 4
    assert "has retention.ms=1000, it should be -1" in caplog.text


@pytest.mark.broker
def test_a_worker_that_may_not_create_topics_lists_the_missing_ones(broker):
    """Five lines for five topics, and none is created."""
    settings = bare(broker, create_topics=False)
    with pytest.raises(TopicSetupError) as raised:
        asyncio.run(require_topics(settings))
    assert len(str(raised.value).splitlines()) == 5
    assert len(asyncio.run(check_topics(settings))) == 5


@pytest.mark.broker
def test_what_the_broker_refuses_to_create_is_said_with_a_command_for_who_may(broker):
    """More replicas than brokers: the broker's reason, and the whole command."""
    settings = bare(broker, replication_factor=7)
    with pytest.raises(TopicSetupError) as raised:
        asyncio.run(create_topics(settings))
    assert "refused to create it" in str(raised.value)
    assert "--create --topic journey-events --partitions 4 --replication-factor 7" in str(raised.value)
    assert "--config message.timestamp.type=LogAppendTime" in str(raised.value)
