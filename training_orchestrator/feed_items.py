"""What a feed gives: abandonments with their reward, and corrections of abandonments that were premature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from training_orchestrator.configuration import ConfigurationError

if TYPE_CHECKING:
    from datetime import datetime

    from training_orchestrator.abandonment import AbandonmentReason

_MICROS = 1_000_000


@dataclass(frozen=True, slots=True)
class RewardRule:
    """How a penalty becomes a reward: `-total_penalty * scale`, not below `-clip`.

    `scale` is in reward per dollar, `clip` in units of reward. By default nothing is scaled or clipped.
    """

    scale: float = 1.0
    clip: float | None = None

    def __post_init__(self) -> None:
        """Refuse what would turn a penalty into a gain. Raises ConfigurationError."""
        if not 0 < self.scale < float("inf"):
            raise ConfigurationError(f"scale: {self.scale!r} is not a number above zero")
        if self.clip is not None and not self.clip > 0:
            raise ConfigurationError(f"clip: {self.clip!r} is not a number above zero")

    def reward(self, total_penalty_micros: int) -> float:
        """Reward of a penalty."""
        reward = -total_penalty_micros / _MICROS * self.scale
        return reward if self.clip is None else max(reward, -self.clip)


@dataclass(frozen=True, slots=True)
class AbandonmentItem:
    """One abandonment, given once. Times in UTC, money in dollars (`total_penalty_micros` is exact).

    As Gymnasium means them, `terminated` says that the outcome is known (a competitor got the sale) and `truncated`
    that watching stopped: a timeout is censoring, not an outcome. `is_mature`: nothing can correct it any more.
    """

    abandonment_id: str
    journey_id: str
    user_id: str | None
    reason: AbandonmentReason
    state: str
    started_at: datetime
    abandoned_at: datetime
    detected_at: datetime
    days_active: int
    touchpoint_count: int
    total_cost: float
    penalty_amount: float
    opportunity_cost: float
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
    """Policy of the bidder that took that action."""
    propensity: float | None
    policy_version: str
    """Policy of the rule that ended the journey."""
    kind: Literal["abandonment"] = "abandonment"


@dataclass(frozen=True, slots=True)
class CorrectionItem:
    """An abandonment turned out premature: `reward` takes back what that one gave, in part or whole. Once for each."""

    abandonment_id: str
    journey_id: str
    because: Literal["returned", "converted"]
    detected_at: datetime
    converts_at_once: bool
    corrected_penalty_micros: int
    reward: float
    kind: Literal["correction"] = "correction"


FeedItem: TypeAlias = AbandonmentItem | CorrectionItem
