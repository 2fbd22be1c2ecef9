"""Turns published records into a feed's items: each abandonment once, a correction only after its abandonment."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

from journeys.schemas.instants import DAY_MS
from journeys.schemas.money import MICROS
from journeys.schemas.records import JourneyAbandoned, JourneyLifecycle
from training_orchestrator.api.configuration import ConfigurationError, is_number
from training_orchestrator.api.local_time import datetime_of
from training_orchestrator.feed.feed_checkpoint import FeedCheckpoint
from training_orchestrator.feed.feed_items import (
    AbandonmentItem,
    ConversionItem,
    CorrectionItem,
    FeedItem,
    RewardParts,
    RewardRule,
)
from training_orchestrator.sources.published_outputs import PublishedRecord


@dataclass(frozen=True, slots=True)
class CorrectionRule:
    """What corrects an abandonment: a `return` of its journey, a `conversion` after it, or nothing (`never`).

    `share` of the penalty is taken back. `mature_after_days`: how long after an abandonment a return still refers to it
    (the cleanup period of the policy).
    """

    upon: Literal["return", "conversion", "never"] = "return"
    share: float = 1.0
    mature_after_days: float = 30

    def __post_init__(self) -> None:
        """Raise ConfigurationError for a value that is not allowed."""
        if self.upon not in ("return", "conversion", "never"):
            raise ConfigurationError(f"upon: {self.upon!r} is not one of return, conversion, never")
        if not is_number(self.share) or not 0 < self.share <= 1:
            raise ConfigurationError(f"share: {self.share!r} is not a number above zero, at most 1")
        if not is_number(self.mature_after_days) or not 0 <= self.mature_after_days <= 36_500:
            raise ConfigurationError(f"mature_after_days: {self.mature_after_days!r} is not a number from 0 to 36500")

    def is_met(self, record: JourneyLifecycle) -> bool:
        """Whether a lifecycle record corrects the abandonment that it names."""
        if self.upon == "return":
            return record.kind == "returned"
        # A return that converts at once publishes two records; the conversion's own one counts.
        return self.upon == "conversion" and record.kind == "converted"


def require_sums(rewards: RewardRule, corrections: CorrectionRule) -> None:
    """Raise ConfigurationError for a correction rule with which net rewards would not sum to what was earned."""
    if rewards.price == "net" and (corrections.upon != "return" or corrections.share != 1):
        raise ConfigurationError(
            f"corrections: upon={corrections.upon!r} and share={corrections.share!r} go with rewards=RewardRule("
            'price="penalty"); a net reward is value minus spend, and nothing of it is taken back in part'
        )


class FeedProgress:
    """Takes published records one by one and gives their items; keeps the checkpoint up to date."""

    def __init__(
        self,
        checkpoint: FeedCheckpoint,
        rewards: RewardRule,
        corrections: CorrectionRule,
        known_at: int,
        *,
        gives_conversions: bool = False,
    ) -> None:
        """`known_at` (ms) is the instant as of which an abandonment is mature or not."""
        self.checkpoint = checkpoint
        self._gives_conversions = gives_conversions
        self._rewards = rewards
        self._corrections = corrections
        self._mature_until = known_at - int(corrections.mature_after_days * DAY_MS)
        # A checkpoint may have been taken between an abandonment and its correction.
        self._due: deque[str] = deque(each for each in checkpoint.held if bytes.fromhex(each) in checkpoint.given)

    def take(self, published: PublishedRecord) -> FeedItem | None:
        """Take the next record of its place; gives its item, None for a duplicate or a record that is no item."""
        checkpoint = self.checkpoint
        checkpoint.positions[published.place] = published.offset + 1
        record = published.record
        if checkpoint.as_of is not None and record.detected_at > checkpoint.as_of:
            return None
        if checkpoint.since is not None and record.detected_at < checkpoint.since:
            return None
        if isinstance(record, JourneyAbandoned):
            return self._abandonment(record)
        if record.abandonment_id is not None and self._corrections.is_met(record):
            self._hold(record.abandonment_id, record)
        if self._gives_conversions and record.kind == "converted":
            conversion = self._conversion(record)
            if conversion is not None:
                return conversion  # the correction that it causes is due next
        return self.due()

    def due(self) -> FeedItem | None:
        """Next correction whose abandonment was given; None where there is none."""
        if not self._due:
            return None
        abandonment_id = self._due.popleft()
        record = JourneyLifecycle(**self.checkpoint.held.pop(abandonment_id))
        self.checkpoint.corrected.add(bytes.fromhex(abandonment_id))
        micros = round((record.total_penalty_micros or 0) * self._corrections.share)
        reward = 0.0
        if self._rewards.price == "penalty":
            reward = -self._rewards.penalty_reward(record.total_penalty_micros or 0) * self._corrections.share
        return CorrectionItem(
            abandonment_id=abandonment_id,
            journey_id=record.journey_id,
            because="returned" if record.kind == "returned" else "converted",
            detected_at=datetime_of(record.detected_at),
            converts_at_once=bool(record.converts_at_once),
            corrected_penalty_micros=micros,
            reward=reward,
            parts=RewardParts(rest=round(reward * MICROS)),
        )

    def _hold(self, abandonment_id: str, record: JourneyLifecycle) -> None:
        checkpoint = self.checkpoint
        id_bytes = bytes.fromhex(abandonment_id)
        if id_bytes in checkpoint.corrected or abandonment_id in checkpoint.held:
            return
        fields = {name: value for name, value in record._asdict().items() if value is not None}
        checkpoint.held[abandonment_id] = fields | {"user_id": None}
        if id_bytes in checkpoint.given:
            self._due.append(abandonment_id)

    def _conversion(self, record: JourneyLifecycle) -> ConversionItem | None:
        id_bytes = bytes.fromhex(record.lifecycle_id)
        if id_bytes in self.checkpoint.given:
            return None
        self.checkpoint.given.add(id_bytes)
        assert record.started_at is not None  # a conversion always has one
        value = record.conversion_value_micros
        spend = record.total_cost_micros or 0
        parts = RewardParts(self._rewards.scaled(value or 0), self._spent(spend))
        return ConversionItem(
            lifecycle_id=record.lifecycle_id,
            journey_id=record.journey_id,
            started_at=datetime_of(record.started_at),
            converted_at=datetime_of(record.occurred_at),
            detected_at=datetime_of(record.detected_at),
            conversion_value=None if value is None else value / MICROS,
            value_micros=value or 0,
            spend_micros=spend,
            state=record.state or "",
            policy_version=record.policy_version or "",
            reward=parts.micros / MICROS,
            parts=parts,
        )

    def _abandonment(self, record: JourneyAbandoned) -> AbandonmentItem | None:
        checkpoint = self.checkpoint
        id_bytes = bytes.fromhex(record.abandonment_id)
        if id_bytes in checkpoint.given:
            return None
        checkpoint.given.add(id_bytes)
        if record.abandonment_id in checkpoint.held:
            self._due.append(record.abandonment_id)
        parts = RewardParts(spend=self._spent(record.total_cost_micros))
        reward = parts.micros / MICROS
        if self._rewards.price == "penalty":
            reward = self._rewards.penalty_reward(record.total_penalty_micros)
            parts = RewardParts(rest=round(reward * MICROS))
        return AbandonmentItem.of_record(
            record,
            state_weight=record.state_weight,
            time_factor=record.time_factor,
            reason_multiplier=record.reason_multiplier,
            total_penalty_micros=record.total_penalty_micros,
            reward=reward,
            terminated=record.terminated,
            truncated=record.truncated,
            is_mature=record.abandoned_at <= self._mature_until,
            action_id=record.action_id,
            touchpoint_policy_version=record.touchpoint_policy_version,
            propensity=record.propensity,
            policy_version=record.policy_version,
            segment=record.segment,
            spend_micros=record.total_cost_micros,
            parts=parts,
        )

    def _spent(self, spend_micros: int) -> int:
        """Part of a reward that an ended episode's spend is; 0 for penalties."""
        return -self._rewards.scaled(spend_micros) if self._rewards.price == "net" else 0
