"""`journeys backtest topic:journey-events`: the input topic, partition by partition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import typer

from journeys.cli.output import print_note

if TYPE_CHECKING:
    from journeys.agents.history.backtest import Abandonments
    from journeys.agents.history.topic_history import TopicHistory
    from journeys.agents.settings.settings import Settings
    from journeys.cli.files.bad_lines import BadLines
    from journeys.streams.compiled.backtest_tally import BacktestTally
    from journeys.streams.rule.policy import Policy

TOPIC: Final = "topic:"
_RECORD_BYTES: Final = 100  # what a record takes in a bucket, with ids; only to choose how many buckets there are


def topic_tallies(
    settings: Settings,
    source: str,
    policies: list[Policy],
    until: int | None,
    memory: int,
    bad_records: BadLines,
    abandonments: Abandonments | None,
    *,
    by_reference: bool,
    quiet: bool,
) -> list[BacktestTally]:
    """The tally of each policy over all partitions. Raises BadParameter for any other topic, OperationError."""
    from journeys.agents.history.history_buckets import MIB
    from journeys.agents.history.topic_history import TopicHistory
    from journeys.cli.operation import quiet_clients
    from journeys.cli.progress import progress_bar
    from journeys.schemas.topics import JOURNEY_EVENTS
    from journeys.streams.compiled.backtest_tally import BacktestTally

    if source != TOPIC + JOURNEY_EVENTS:
        raise typer.BadParameter(f"{source}: only {TOPIC}{JOURNEY_EVENTS} holds what can be run again")

    def bad_record(partition: int, offset: int, why: str) -> None:
        bad_records.add_of(f"{JOURNEY_EVENTS}[{partition}]", offset, why)

    quiet_clients()
    total = [BacktestTally() for _ in policies]
    with progress_bar("reading", quiet=quiet) as advance, TopicHistory(settings, bad_record, advance) as topic:
        for partition in topic.partitions:
            if by_reference:
                tallies = _by_reference(topic, partition, policies, until, bad_records)
            else:
                tallies = _by_engine(topic, partition, policies, until, memory * MIB, abandonments)
            for one, more in zip(total, tallies, strict=True):
                one.merge(more)
        if topic.left_out:
            left_out = f"{topic.left_out:,} punctuations and policies of the topic were left out; time is the records'"
            print_note(left_out, quiet=quiet)
    return total


def _by_engine(
    topic: TopicHistory,
    partition: int,
    policies: list[Policy],
    until: int | None,
    held_bytes: int,
    abandonments: Abandonments | None,
) -> list[BacktestTally]:
    from journeys.agents.history.backtest import backtest, in_buckets
    from journeys.agents.history.history_columns import line_batches

    batches = line_batches("", topic.records(partition), lambda line: None)  # noqa: ARG005  (none is bad here)
    size_bytes = topic.size(partition) * _RECORD_BYTES
    with in_buckets(batches, size_bytes, held_bytes, with_names=abandonments is not None) as history:
        return backtest(history, policies, until=until, abandonments=abandonments)


def _by_reference(
    topic: TopicHistory, partition: int, policies: list[Policy], until: int | None, bad_records: BadLines
) -> list[BacktestTally]:
    from journeys.streams.compiled.backtest_tally import tally_of
    from journeys.streams.partition.driver import replay_unpunctuated

    bad_before, left_out_before = bad_records.count, topic.left_out
    if until is not None:  # a comparison ends at the last record at the latest
        until = min(until, max((record.occurred_at for _, record in topic.records(partition)), default=until))
    tallies = []
    for policy in policies:
        bad_records.count, topic.left_out = bad_before, left_out_before
        tallies.append(tally_of(replay_unpunctuated(topic.records(partition), policy=policy, until=until)))
    return tallies
