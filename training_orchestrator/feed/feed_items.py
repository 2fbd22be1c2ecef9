"""Items of a feed: abandonments with their reward, corrections of premature ones, conversions."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from journeys.schemas.money import MICROS
from training_orchestrator.api.abandonment import AbandonedJourney
from training_orchestrator.api.configuration import ConfigurationError, is_number

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class RewardRule:
    """How an item becomes a reward, by its `price`.

    `net`: value of a conversion minus spend of the episode that ended; a correction takes back nothing, because the
    spend was spent. `penalty`: `-total_penalty`, not below `-clip`, and the value of a conversion. `scale` is in reward
    per dollar, `clip` in units of reward. By default nothing is scaled or clipped.
    """

    scale: float = 1.0
    clip: float | None = None
    price: Literal["net", "penalty"] = "net"

    def __post_init__(self) -> None:
        """Raise ConfigurationError for a value that is not allowed."""
        if self.price not in ("net", "penalty"):
            raise ConfigurationError(f"price: {self.price!r} is not one of net, penalty")
        if not is_number(self.scale) or not 0 < self.scale < float("inf"):
            raise ConfigurationError(f"scale: {self.scale!r} is not a number above zero")
        if self.clip is not None and not (is_number(self.clip) and self.clip > 0):
            raise ConfigurationError(f"clip: {self.clip!r} is not a number above zero")
        if self.clip is not None and self.price == "net":
            raise ConfigurationError(
                f'clip: {self.clip!r} goes with price="penalty"; clipped net rewards would not sum to what was earned'
            )

    def scaled(self, micros: int) -> int:
        """Millionths of a reward for millionths of a dollar; exact without a scale, else rounded half-even."""
        return micros if self.scale == 1 else round(micros * Fraction(self.scale))

    def penalty_reward(self, total_penalty_micros: int) -> float:
        """Reward for a penalty."""
        reward = -total_penalty_micros / MICROS * self.scale
        return reward if self.clip is None else max(reward, -self.clip)


class RewardParts(NamedTuple):
    """An item's reward in millionths, and what it consists of; `value + spend + rest` is the reward.

    `spend` is negative. Under `price="penalty"` a penalty is `rest`, and nothing is spend.
    """

    value: int = 0
    spend: int = 0
    rest: int = 0

    @property
    def micros(self) -> int:
        """The reward, millionths."""
        return self.value + self.spend + self.rest


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
    segment: str | None
    spend_micros: int
    """Cost of the episode's touchpoints, millionths of a dollar: `total_cost`, exact."""
    parts: RewardParts
    kind: Literal["abandonment"] = "abandonment"

    @property
    def reward_micros(self) -> int:
        """The reward, millionths: exact."""
        return self.parts.micros


@dataclass(frozen=True, slots=True)
class CorrectionItem:
    """Correction of a premature abandonment, given once: the journey went on.

    Under `price="penalty"` its `reward` takes the earlier reward back, in part or whole. A net reward is 0: what was
    spent stays spent, and what comes after brings its own items.
    """

    abandonment_id: str
    journey_id: str
    because: Literal["returned", "converted"]
    detected_at: datetime
    converts_at_once: bool
    corrected_penalty_micros: int
    reward: float
    parts: RewardParts
    kind: Literal["correction"] = "correction"

    @property
    def reward_micros(self) -> int:
        """The reward, millionths: exact."""
        return self.parts.micros


@dataclass(frozen=True, slots=True)
class ConversionItem:
    """A conversion, given once: the episode of `journey_id` and `started_at` ended without a penalty.

    `conversion_value` (dollars) is None where no touchpoint carried one. `reward` is that value minus the episode's
    spend, under `price="penalty"` the value alone. A feed of penalties gives conversions with `conversions=True` only.
    """

    lifecycle_id: str
    journey_id: str
    started_at: datetime
    converted_at: datetime
    detected_at: datetime
    conversion_value: float | None
    value_micros: int
    """Value of the conversion, millionths of a dollar; 0 where no touchpoint carried one."""
    spend_micros: int
    """Cost of the episode's touchpoints, millionths of a dollar."""
    state: str
    policy_version: str
    """Version of the timeout policy under which the journey ended."""
    reward: float
    parts: RewardParts
    kind: Literal["conversion"] = "conversion"

    @property
    def reward_micros(self) -> int:
        """The reward, millionths: exact."""
        return self.parts.micros


FeedItem: TypeAlias = AbandonmentItem | CorrectionItem | ConversionItem
