"""The steps of a log's episodes, with what each of them earned: a replay of the rule, one partition at a time.

What was decided comes from the same rule as live (`streams`), what it is worth from the same progress as a feed's, so
that a dataset as of an instant and a feed as of it agree to the micro. A step is a touchpoint that names its action.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Final, Literal, NamedTuple

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

_MICROS: Final = 1_000_000


@dataclass(slots=True)
class EpisodeStep:
    """An action of a journey. `before` is the episode as it stood when the action was taken."""

    touchpoint: Touchpoint
    before: Episode
    late_micros: int = 0
    """Its share of penalties, and of what corrections took back: millionths of a reward."""


@dataclass(slots=True)
class EpisodeSteps:
    """An episode and its steps in the order of the log; `end` is how it stood at `ended_at` (ms).

    `corrected`: abandoned, and then the journey went on. `open`: as of the end of reading, nothing had ended it.
    """

    journey_id: str
    end: Episode
    rule_policy_version: str
    steps: list[EpisodeStep] = field(default_factory=list)
    outcome: Literal["open", "abandoned", "corrected", "converted"] = "open"
    terminated: bool = False
    ended_at: int = 0
    conversion_micros: int = 0
    """What the conversion was worth: millionths of a reward."""
    last_action_id: str | None = None
    """Of an abandonment, as its record says it."""


class Rewards(NamedTuple):
    """How items of a feed become rewards of steps."""

    rewards: RewardRule
    corrections: CorrectionRule
    credit: CreditRule
    half_life_days: float


class StepRecorder:
    """Replays one partition. Holds its rows, and episodes until nothing can correct them any more.

    `as_of` (ms): what was found out, or happened, later is not known. `credited_micros` and `uncredited_micros` are
    the sums of what steps have earned, and of what no step has: episodes without an action.
    """

    def __init__(self, partition: Partition, rewards: Rewards, as_of: int | None) -> None:
        self._partition = partition
        self._processor = Processor(partition)
        self._rewards = rewards
        self._as_of = as_of
        checkpoint = FeedCheckpoint("replay", as_of)
        self._progress = FeedProgress(checkpoint, rewards.rewards, rewards.corrections, 0, gives_conversions=True)
        self._open: dict[tuple[str, int], EpisodeSteps] = {}
        self._ended: dict[str, EpisodeSteps] = {}
        self._final_at: list[tuple[int, int, str]] = []
        self._order = count()
        self.credited_micros = 0
        self.uncredited_micros = 0

    @property
    def has_passed(self) -> bool:
        """Whether the log's clock is behind `as_of`: nothing that was known then comes any more."""
        return self._as_of is not None and (self._partition.clock or 0) > self._as_of

    def take(self, entry: EntryFields) -> Iterator[EpisodeSteps]:
        """Apply the next record; yields episodes that are final now."""
        effects = self._processor.process([entry])
        record = entry[3]
        if isinstance(record, Touchpoint) and effects.counts.applied and self._is_known(record.occurred_at):
            self._touch(record, effects)
        said: list[JourneyAbandoned | JourneyLifecycle] = [*effects.abandonments, *effects.lifecycle]
        for output in said:
            item = self._progress.take(PublishedRecord(("replay", 0), entry[0], output))
            while item is not None:
                yield from self._end(item, output)
                item = self._progress.due()
        yield from self._mature()

    def rest(self) -> Iterator[EpisodeSteps]:
        """Episodes that are left at the end of reading."""
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
        assert started_at is not None  # the touchpoint was applied to an episode
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
            self._share(item.reward, episode)
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
                episode.conversion_micros = round(item.reward * _MICROS)
                yield episode
            return
        if episode is not None:
            episode.outcome, episode.terminated = "abandoned", item.terminated
            episode.ended_at, episode.last_action_id = instant_of(item.abandoned_at), item.action_id
            self._ended[item.abandonment_id] = episode
            heappush(self._final_at, (episode.ended_at + self._held_ms(), next(self._order), item.abandonment_id))
        self._share(item.reward, episode)

    def _held_ms(self) -> int:
        """How long after an abandonment a record may still correct it, under any of the log's policies.

        A return names it until cleanup, and a conversion as long as the returned episode may be open.
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

    def _share(self, reward: float, episode: EpisodeSteps | None) -> None:
        micros = round(reward * _MICROS)
        is_last_touch = self._rewards.credit == "last_touch"
        # By their place: one action may have bought several touchpoints. Which was last, the record says.
        touches = [
            TouchedBy(datetime_of(step.touchpoint.occurred_at), str(place))
            for place, step in enumerate(episode.steps if episode is not None else ())
            if episode is not None and (not is_last_touch or step.touchpoint.action_id == episode.last_action_id)
        ]
        if episode is None or not touches:
            self.uncredited_micros += micros
            return
        self.credited_micros += micros
        for place, share in credit(micros, touches, self._rewards.credit, self._rewards.half_life_days).items():
            episode.steps[int(place)].late_micros += share


def _end_of(output: JourneyAbandoned | JourneyLifecycle, started_at: int) -> Episode:
    """The episode as its end says it."""
    assert output.state is not None
    assert output.touchpoint_count is not None
    assert output.total_cost_micros is not None
    last = output.last_touchpoint_at if isinstance(output, JourneyAbandoned) else output.occurred_at
    return Episode(started_at, output.state, output.touchpoint_count, output.total_cost_micros, last)
