"""Progress of a feed: each abandonment once, corrections behind the abandonment that they correct."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, Literal

from journeys.schemas.instants import DAY_MS
from journeys.schemas.records import JourneyAbandoned, JourneyLifecycle
from training_orchestrator.api.configuration import ConfigurationError, is_number
from training_orchestrator.api.local_time import datetime_of
from training_orchestrator.feed.feed_checkpoint import FeedCheckpoint
from training_orchestrator.feed.feed_items import AbandonmentItem, ConversionItem, CorrectionItem, FeedItem, RewardRule
from training_orchestrator.sources.published_outputs import PublishedRecord

_MICROS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class CorrectionRule:
    """What corrects an abandonment: the journey's `return`, a `conversion` after it, or nothing (`never`).

    `share` of the penalty is taken back. `mature_after_days`: how long a return may name an abandonment (the cleanup
    period of the rule's policy).
    """

    upon: Literal["return", "conversion", "never"] = "return"
    share: float = 1.0
    mature_after_days: float = 30

    def __post_init__(self) -> None:
        """Refuse what is no rule. Raises ConfigurationError."""
        if self.upon not in ("return", "conversion", "never"):
            raise ConfigurationError(f"upon: {self.upon!r} is not one of return, conversion, never")
        if not is_number(self.share) or not 0 < self.share <= 1:
            raise ConfigurationError(f"share: {self.share!r} is not a number above zero, at most 1")
        if not is_number(self.mature_after_days) or not 0 <= self.mature_after_days <= 36_500:
            raise ConfigurationError(f"mature_after_days: {self.mature_after_days!r} is not a number from 0 to 36500")

    def is_met(self, said: JourneyLifecycle) -> bool:
        """Whether a lifecycle record corrects the abandonment that it names."""
        if self.upon == "return":
            return said.kind == "returned"
        # One that converts at once says both; the conversion's own record is the one that counts.
        return self.upon == "conversion" and said.kind == "converted"


class FeedProgress:
    """Takes published records one by one, and says what there is to give. Holds its checkpoint up to date."""

    def __init__(
        self,
        checkpoint: FeedCheckpoint,
        rewards: RewardRule,
        corrections: CorrectionRule,
        known_at: int,
        *,
        gives_conversions: bool = False,
    ) -> None:
        """`known_at` (ms) is when maturity is looked at."""
        self.checkpoint = checkpoint
        self._gives_conversions = gives_conversions
        self._rewards = rewards
        self._corrections = corrections
        self._mature_until = known_at - int(corrections.mature_after_days * DAY_MS)
        # A crash may have come between an abandonment and its correction.
        self._due: deque[str] = deque(named for named in checkpoint.held if bytes.fromhex(named) in checkpoint.given)

    def take(self, published: PublishedRecord) -> FeedItem | None:
        """Take the next record of its place; gives what it is to the trainer, None for what is known or not wanted."""
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
                return conversion  # what it corrects is due next
        return self.due()

    def due(self) -> FeedItem | None:
        """A correction whose abandonment has been given; None when there is none."""
        if not self._due:
            return None
        named = self._due.popleft()
        said = JourneyLifecycle(**self.checkpoint.held.pop(named))
        self.checkpoint.corrected.add(bytes.fromhex(named))
        micros = round((said.total_penalty_micros or 0) * self._corrections.share)
        full = self._rewards.reward(said.total_penalty_micros or 0)
        return CorrectionItem(
            abandonment_id=named,
            journey_id=said.journey_id,
            because="returned" if said.kind == "returned" else "converted",
            detected_at=datetime_of(said.detected_at),
            converts_at_once=bool(said.converts_at_once),
            corrected_penalty_micros=micros,
            reward=-full * self._corrections.share,
        )

    def _hold(self, named: str, said: JourneyLifecycle) -> None:
        checkpoint = self.checkpoint
        id_bytes = bytes.fromhex(named)
        if id_bytes in checkpoint.corrected or named in checkpoint.held:
            return
        checkpoint.held[named] = {name: value for name, value in said._asdict().items() if value is not None} | {
            "user_id": None
        }
        if id_bytes in checkpoint.given:
            self._due.append(named)

    def _conversion(self, record: JourneyLifecycle) -> ConversionItem | None:
        id_bytes = bytes.fromhex(record.lifecycle_id)
        if id_bytes in self.checkpoint.given:
            return None
        self.checkpoint.given.add(id_bytes)
        assert record.started_at is not None  # of a conversion it always is
        value = record.conversion_value_micros
        return ConversionItem(
            lifecycle_id=record.lifecycle_id,
            journey_id=record.journey_id,
            started_at=datetime_of(record.started_at),
            converted_at=datetime_of(record.occurred_at),
            detected_at=datetime_of(record.detected_at),
            conversion_value=None if value is None else value / _MICROS,
            reward=(value or 0) / _MICROS * self._rewards.scale,
        )

    def _abandonment(self, record: JourneyAbandoned) -> AbandonmentItem | None:
        checkpoint = self.checkpoint
        id_bytes = bytes.fromhex(record.abandonment_id)
        if id_bytes in checkpoint.given:
            return None
        checkpoint.given.add(id_bytes)
        if record.abandonment_id in checkpoint.held:
            self._due.append(record.abandonment_id)
        return AbandonmentItem.of_record(
            record,
            state_weight=record.state_weight,
            time_factor=record.time_factor,
            reason_multiplier=record.reason_multiplier,
            total_penalty_micros=record.total_penalty_micros,
            reward=self._rewards.reward(record.total_penalty_micros),
            terminated=record.terminated,
            truncated=record.truncated,
            is_mature=record.abandoned_at <= self._mature_until,
            action_id=record.action_id,
            touchpoint_policy_version=record.touchpoint_policy_version,
            propensity=record.propensity,
            policy_version=record.policy_version,
        )
