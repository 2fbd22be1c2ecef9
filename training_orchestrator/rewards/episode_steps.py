"""The steps of a log's episodes with their rewards, by a replay of one partition at a time.

The replay runs the same rule as live (`streams`) and makes items by the same FeedProgress as a feed, so that a dataset
as of an instant and a feed as of it agree to the micro. A step is a touchpoint with an `action_id`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Literal, NamedTuple

from journeys.schemas.records import JourneyAbandoned, JourneyLifecycle, Touchpoint
from journeys.streams.partition.effects import Effects
from journeys.streams.partition.entry import EntryFields
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition
from training_orchestrator.api.local_time import datetime_of, instant_of
from training_orchestrator.feed.feed_checkpoint import FeedCheckpoint
from training_orchestrator.feed.feed_items import ConversionItem, FeedItem, RewardRule
from training_orchestrator.feed.feed_progress import CorrectionRule, FeedProgress
from training_orchestrator.rewards.credit import CreditRule, TouchedBy, credit
from training_orchestrator.rewards.episode_view import Episode
from training_orchestrator.sources.published_outputs import PublishedRecord


@dataclass(slots=True)
class EpisodeStep:
    """An action of a journey. `before` is the episode's state when the action was taken."""

    touchpoint: Touchpoint
    before: Episode
    late_micros: int = 0
    """Its share of all items but conversions: millionths of a reward."""
    conversion_micros: int = 0
    """Its share of the conversion: under net rewards value minus spend; of penalties the last step has the value."""


@dataclass(slots=True)
class EpisodeSteps:
    """An episode and its steps in the order of the log; `end` is its state at `ended_at` (ms).

    Outcome `corrected`: abandoned, and the journey went on later. `open`: not ended where the reading ends.
    """

    journey_id: str
    end: Episode
    rule_policy_version: str
    steps: list[EpisodeStep] = field(default_factory=list)
    outcome: Literal["open", "abandoned", "corrected", "converted"] = "open"
    terminated: bool = False
    ended_at: int = 0
    last_action_id: str | None = None
    """`action_id` of an abandonment's record."""


class Rewards(NamedTuple):
    """Rules by which the items of a feed become rewards of steps."""

    rewards: RewardRule
    corrections: CorrectionRule
    credit: CreditRule
    half_life_days: float


class StepRecorder:
    """Replays one partition. Holds its rows, and each episode until no correction of it can follow.

    `as_of` (ms): what was detected or happened later is left out. `credited_micros` is the sum of all rewards of steps,
    `uncredited_micros` that of episodes without an action.
    """

    def __init__(self, partition: Partition, rewards: Rewards, as_of: int | None) -> None:
        self._partition = partition
        self._processor = Processor(partition)
        self._rewards = rewards
        self._as_of = as_of
        checkpoint = FeedCheckpoint("replay", as_of, price=rewards.rewards.price)
        self._progress = FeedProgress(checkpoint, rewards.rewards, rewards.corrections, 0, gives_conversions=True)
        self._open: dict[tuple[str, int], EpisodeSteps] = {}
        self._ended: dict[str, EpisodeSteps] = {}
        self._final_at: list[tuple[int, int, str]] = []
        self._order = count()
        self.credited_micros = 0
        self.uncredited_micros = 0

    def take(self, entry: EntryFields) -> Iterator[EpisodeSteps]:
        """Apply the next record; yields the episodes that no correction can follow any more."""
        effects = self._processor.process([entry])
        record = entry[3]
        if isinstance(record, Touchpoint) and effects.counts.applied and self._is_known(record.occurred_at):
            self._touch(record, effects)
        outputs: list[JourneyAbandoned | JourneyLifecycle] = [*effects.abandonments, *effects.lifecycle]
        for output in outputs:
            item = self._progress.take(PublishedRecord(("replay", 0), entry[0], output))
            while item is not None:
                yield from self._end(item, output)
                item = self._progress.due()
        yield from self._mature()

    def rest(self) -> Iterator[EpisodeSteps]:
        """Remaining episodes, at the end of the log."""
        yield from self._ended.values()
        at = self._as_of if self._as_of is not None else self._partition.clock or 0
        for episode in self._open.values():
            episode.ended_at = max(at, episode.end.last_touchpoint_at or 0)
            yield episode

    def _is_known(self, occurred_at: int) -> bool:
        return self._as_of is None or max(occurred_at, self._partition.clock or 0) <= self._as_of

    def _touch(self, touchpoint: Touchpoint, effects: Effects) -> None:
        row = effects.changed[touchpoint.journey_id]
        started_at = row.started_at if row.open else row.previous_started_at
        assert started_at is not None  # a touchpoint that was applied belongs to an episode
        key = touchpoint.journey_id, started_at
        episode = self._open.get(key)
        if episode is None:
            episode = EpisodeSteps(touchpoint.journey_id, Episode(started_at), row.policy_version)
            self._open[key] = episode
        if touchpoint.action_id is not None:
            episode.steps.append(EpisodeStep(touchpoint, episode.end))
        if row.open:
            episode.end = Episode(
                started_at, row.state, row.touchpoint_count, row.total_cost_micros, row.last_touchpoint_at
            )

    def _end(self, item: FeedItem, output: JourneyAbandoned | JourneyLifecycle) -> Iterator[EpisodeSteps]:
        if item.kind == "correction":
            episode = self._ended.pop(item.abandonment_id, None)
            self._share(item.reward_micros, episode)
            if episode is not None:
                episode.outcome, episode.terminated = "corrected", False
                yield episode
            return
        episode = self._open.pop((item.journey_id, instant_of(item.started_at)), None)
        if episode is not None:
            episode.end = _end_of(output, episode.end.started_at)
        if isinstance(item, ConversionItem):
            if episode is not None:
                episode.outcome, episode.terminated = "converted", True
                episode.ended_at = instant_of(item.converted_at)
            if self._rewards.rewards.price == "net":
                self._share(item.reward_micros, episode)
            elif episode is not None and episode.steps:
                episode.steps[-1].conversion_micros = item.reward_micros
            if episode is not None:
                yield episode
            return
        if episode is not None:
            episode.outcome, episode.terminated = "abandoned", item.terminated
            episode.ended_at, episode.last_action_id = instant_of(item.abandoned_at), item.action_id
            self._ended[item.abandonment_id] = episode
            final_at = episode.ended_at + self._longest_correction_ms()
            heappush(self._final_at, (final_at, next(self._order), item.abandonment_id))
        self._share(item.reward_micros, episode)

    def _longest_correction_ms(self) -> int:
        """Longest time after an abandonment at which a correction can follow, under any of the log's policies.

        A return refers to it until cleanup, a conversion as long as the returned episode may be open.
        """
        rule = self._rewards.corrections.upon
        if rule == "never":
            return 0
        policies = self._partition.policies.values()
        return max(
            each.cleanup_ms + each.grace_ms + (each.max_journey_duration_ms if rule == "conversion" else 0)
            for each in policies
        )

    def _mature(self) -> Iterator[EpisodeSteps]:
        clock = self._partition.clock or 0
        while self._final_at and self._final_at[0][0] <= clock:
            episode = self._ended.pop(heappop(self._final_at)[2], None)
            if episode is not None:
                yield episode

    def _share(self, micros: int, episode: EpisodeSteps | None) -> None:
        converted = episode is not None and episode.outcome == "converted"
        is_last_touch = self._rewards.credit == "last_touch" and not converted
        # By index: one action may have bought several touchpoints. The last action is that of the abandonment's record.
        touches = [
            TouchedBy(datetime_of(step.touchpoint.occurred_at), str(index))
            for index, step in enumerate(episode.steps if episode is not None else ())
            if episode is not None and (not is_last_touch or step.touchpoint.action_id == episode.last_action_id)
        ]
        if episode is None or not touches:
            self.uncredited_micros += micros
            return
        self.credited_micros += micros
        for index_text, share in credit(micros, touches, self._rewards.credit, self._rewards.half_life_days).items():
            step = episode.steps[int(index_text)]
            if converted:
                step.conversion_micros += share
            else:
                step.late_micros += share


def _end_of(output: JourneyAbandoned | JourneyLifecycle, started_at: int) -> Episode:
    """Final state of an episode, from the record of its end."""
    assert output.state is not None
    assert output.touchpoint_count is not None
    assert output.total_cost_micros is not None
    last = output.last_touchpoint_at if isinstance(output, JourneyAbandoned) else output.occurred_at
    return Episode(started_at, output.state, output.touchpoint_count, output.total_cost_micros, last)
