"""Items of a feed: abandonments with their reward, corrections of premature ones, conversions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from journeys.schemas.money import MICROS
from training_orchestrator.api.abandonment import AbandonedJourney
from training_orchestrator.api.configuration import ConfigurationError, is_number

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class RewardRule:
    """How a penalty becomes a reward: `-total_penalty * scale`, not below `-clip`.

    `scale` is in reward per dollar, `clip` in units of reward. By default nothing is scaled or clipped.
    """

    scale: float = 1.0
    clip: float | None = None

    def __post_init__(self) -> None:
        """Raise ConfigurationError for a scale or clip that is not above zero."""
        if not is_number(self.scale) or not 0 < self.scale < float("inf"):
            raise ConfigurationError(f"scale: {self.scale!r} is not a number above zero")
        if self.clip is not None and not (is_number(self.clip) and self.clip > 0):
            raise ConfigurationError(f"clip: {self.clip!r} is not a number above zero")

    def reward(self, total_penalty_micros: int) -> float:
        """Reward for a penalty."""
        reward = -total_penalty_micros / MICROS * self.scale
        return reward if self.clip is None else max(reward, -self.clip)


@dataclass(frozen=True, slots=True)
class AbandonmentItem(AbandonedJourney):
    """One abandonment, given once, as a reward. `total_penalty_micros` is exact.

    `terminated` and `truncated` are those of Gymnasium: the outcome is known (a competitor got the sale), or the
    observation was cut off (a timeout is censoring, not an outcome). `is_mature`: no correction can follow any more.
    """

    state_weight: float
    time_factor: float
    reason_multiplier: float
    total_penalty_micros: int
    reward: float
    terminated: bool
    truncated: bool
    is_mature: bool
    action_id: str | None
    """Action of the last touchpoint that named one."""
    touchpoint_policy_version: str | None
    """Version of the bidder's policy that took that action."""
    propensity: float | None
    policy_version: str
    """Version of the timeout policy under which the journey ended."""
    kind: Literal["abandonment"] = "abandonment"


@dataclass(frozen=True, slots=True)
class CorrectionItem:
    """Correction of a premature abandonment, given once: `reward` takes the earlier reward back, in part or whole."""

    abandonment_id: str
    journey_id: str
    because: Literal["returned", "converted"]
    detected_at: datetime
    converts_at_once: bool
    corrected_penalty_micros: int
    reward: float
    kind: Literal["correction"] = "correction"


@dataclass(frozen=True, slots=True)
class ConversionItem:
    """A conversion, given once by a feed with `conversions=True`. It ends the episode without a penalty.

    `conversion_value` (dollars) is None where no touchpoint carried one; `reward` is that value, scaled.
    """

    lifecycle_id: str
    journey_id: str
    started_at: datetime
    converted_at: datetime
    detected_at: datetime
    conversion_value: float | None
    reward: float
    kind: Literal["conversion"] = "conversion"


FeedItem: TypeAlias = AbandonmentItem | CorrectionItem | ConversionItem
