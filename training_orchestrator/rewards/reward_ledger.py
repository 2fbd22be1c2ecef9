"""RewardLedger: shares the rewards of a feed among steps, exactly, and tells which steps are final.

    ledger.act("journey-123", "bid-1", occurred_at)   # a step that bought a touchpoint
    for late in ledger.take(item):                    # an item of the feed, shared among the steps that earned it
        correct(late.action_id, late.reward)
    for step in ledger.settled(now):                  # final: no reward can follow; the ledger drops it
        learn(step)

A penalty comes days after the step that earned it, so a ledger holds steps until they are settled.
`credited_micros + uncredited_micros` is always the sum of all rewards taken, without what is `booked`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from heapq import heappop, heappush
from itertools import count
from operator import index
from typing import Any, Final, Literal, NamedTuple, Self, SupportsIndex, TypeAlias

from journeys.schemas.instants import DAY_MS
from journeys.schemas.money import MICROS
from training_orchestrator.api.configuration import ConfigurationError
from training_orchestrator.api.local_time import datetime_of, instant_of
from training_orchestrator.feed.feed_checkpoint import BadCheckpointError
from training_orchestrator.feed.feed_items import AbandonmentItem, ConversionItem, CorrectionItem, FeedItem, RewardParts
from training_orchestrator.rewards.credit import CreditRule, TouchedBy, credit

Booked: TypeAlias = Literal["spend", "sales", "both", "none"]
_MAGIC: Final = b"JRL1"
_DIGEST_BYTES: Final = 16


class LateReward(NamedTuple):
    """Reward that a step earned later, in millionths; negative for a penalty."""

    journey_id: str
    action_id: str
    reward_micros: int
    because: Literal["abandonment", "correction", "conversion"]
    detected_at: datetime

    @property
    def reward(self) -> float:
        """The reward as a float."""
        return self.reward_micros / MICROS


@dataclass(slots=True)
class Step:
    """A step that bought a touchpoint, and its late reward.

    `terminated` and `truncated` are set on the last step of an episode only: its outcome is known (it converted, or a
    competitor got the sale), or the observation was cut off. After a correction the step is truncated: the journey
    went on.
    """

    journey_id: str
    action_id: str
    occurred_at: int
    """Epoch milliseconds."""
    reward_micros: int = 0
    terminated: bool = False
    truncated: bool = False


class _Ended(NamedTuple):
    """An abandoned episode that may still be corrected."""

    steps: list[Step]
    earners: list[Step]


class RewardLedger:
    """Takes the steps and the items of one feed. `rule` and `half_life_days` are those of `credit`.

    A step is settled when its episode has converted (with a feed that gives conversions) or was corrected, else
    `mature_after_days` after its abandonment (0 for a feed without corrections), else, without an end,
    `longest_days` (the policy's cap) after the step; in the last two cases `lag_days` later, for a feed that lags.
    `booked` says what the trainer has rewarded by itself, so that nothing is given twice: `spend`, `sales` (values of
    conversions), `both` or `none`.
    """

    def __init__(
        self,
        rule: CreditRule = "last_touch",
        half_life_days: float = 7.0,
        *,
        longest_days: float = 90,
        mature_after_days: float = 30,
        lag_days: float = 1,
        booked: Booked = "none",
    ) -> None:
        """Raises ConfigurationError."""
        credit(0, [], rule, half_life_days)  # raises for a wrong rule now, not at the first item days later
        if booked not in ("spend", "sales", "both", "none"):
            raise ConfigurationError(f"booked: {booked!r} is not one of spend, sales, both, none")
        days = {"longest_days": longest_days, "mature_after_days": mature_after_days, "lag_days": lag_days}
        for name, value in days.items():
            if not 0 <= value < float("inf"):
                raise ConfigurationError(f"{name}: {value!r} is not a number of days, zero or more")
        self._options = {
            "rule": rule,
            "half_life_days": half_life_days,
            "booked": booked,
        } | days
        self._rule: CreditRule = rule
        self._half_life_days = half_life_days
        self._books_spend = booked in ("spend", "both")
        self._books_sales = booked in ("sales", "both")
        self._unended_ms = int((longest_days + lag_days) * DAY_MS)
        self._correctable_ms = int((mature_after_days + lag_days) * DAY_MS)
        self._open: dict[str, dict[str, Step]] = {}
        self._ended: dict[str, _Ended] = {}
        self._settled: list[Step] = []
        # Steps and abandonment ids by the time at which they are final; entries of removed ones are skipped.
        self._waiting: list[tuple[int, int, Step | str]] = []
        self._order = count()
        self.credited_micros = 0
        """Sum of the rewards of all steps."""
        self.uncredited_micros = 0
        """Sum of the rewards without a step: of journeys, actions or times that this ledger does not hold."""

    def act(self, journey_id: str, action_id: str | SupportsIndex, occurred_at: datetime) -> Step:
        """Add a step; a whole number is an action by its decimal text, as in records.

        A second step of the same action replaces the first, as after a reset to the same seed.
        Raises ConfigurationError.
        """
        step = Step(journey_id, action_text(action_id), instant_of(occurred_at))
        self._add_open(step)
        return step

    def take(self, item: FeedItem) -> list[LateReward]:
        """Share an item's reward among the steps that earned it. Pass each item once; a feed gives each once."""
        if isinstance(item, AbandonmentItem):
            return self._abandonment(item)
        if isinstance(item, CorrectionItem):
            return self._correction(item)
        return self._conversion(item)

    def settled(self, now: datetime) -> list[Step]:
        """Steps whose reward is final, each once; the ledger drops them."""
        present = instant_of(now)
        while self._waiting and self._waiting[0][0] <= present:
            final = heappop(self._waiting)[2]
            if isinstance(final, str):
                ended = self._ended.pop(final, None)
                self._settled += ended.steps if ended is not None else []
            elif self._open.get(final.journey_id, {}).get(final.action_id) is final:
                self._settled += self._close([final])
        settled, self._settled = self._settled, []
        return settled

    def __len__(self) -> int:
        """Number of steps in the ledger."""
        unsettled = sum(map(len, self._open.values())) + sum(len(ended.steps) for ended in self._ended.values())
        return unsettled + len(self._settled)

    def to_bytes(self) -> bytes:
        """Bytes for `from_bytes`: store them together with the feed's checkpoint, in one step."""
        content: dict[str, Any] = {
            "said": self._options,  # the key of ledgers that were stored earlier
            "open": [_fields(step) for steps in self._open.values() for step in steps.values()],
            "ended": [
                [
                    abandonment_id,
                    at,
                    [_fields(step) for step in ended.steps],
                    [ended.steps.index(each) for each in ended.earners],
                ]
                for at, _, abandonment_id in self._waiting
                if isinstance(abandonment_id, str) and (ended := self._ended.get(abandonment_id)) is not None
            ],
            "settled": [_fields(step) for step in self._settled],
            "sums": [self.credited_micros, self.uncredited_micros],
        }
        body = _MAGIC + json.dumps(content, separators=(",", ":")).encode()
        return body + blake2b(body, digest_size=_DIGEST_BYTES).digest()

    @classmethod
    def from_bytes(cls, stored: bytes) -> Self:
        """Ledger of bytes that `to_bytes` made. Raises BadCheckpointError."""
        body, digest = stored[:-_DIGEST_BYTES], stored[-_DIGEST_BYTES:]
        if not stored.startswith(_MAGIC) or blake2b(body, digest_size=_DIGEST_BYTES).digest() != digest:
            raise BadCheckpointError(f"these {len(stored)} bytes are not a whole ledger of rewards")
        content = json.loads(body[len(_MAGIC) :])
        options = content["said"]
        if "credits_conversions" in options:  # ledgers that were stored earlier
            options["booked"] = "none" if options.pop("credits_conversions") else "sales"
        ledger = cls(**options)
        for fields in content["open"]:
            ledger._add_open(Step(*fields))
        for abandonment_id, at, step_fields, earners in content["ended"]:
            steps = [Step(*fields) for fields in step_fields]
            ledger._add_ended(abandonment_id, at, _Ended(steps, [steps[index] for index in earners]))
        ledger._settled = [Step(*fields) for fields in content["settled"]]
        ledger.credited_micros, ledger.uncredited_micros = content["sums"]
        return ledger

    def _add_open(self, step: Step) -> None:
        self._open.setdefault(step.journey_id, {})[step.action_id] = step
        heappush(self._waiting, (step.occurred_at + self._unended_ms, next(self._order), step))

    def _add_ended(self, abandonment_id: str, final_at: int, ended: _Ended) -> None:
        self._ended[abandonment_id] = ended
        heappush(self._waiting, (final_at, next(self._order), abandonment_id))

    def _abandonment(self, item: AbandonmentItem) -> list[LateReward]:
        # Not to abandoned_at: a touchpoint at the deadline belongs to the next episode.
        end = item.last_touchpoint_at or item.started_at
        steps = self._episode(item.journey_id, item.started_at, end, item.action_id)
        # The record names the last action: another trainer may have acted after us, or our last touchpoint was late.
        earners = [step for step in steps if step.action_id == item.action_id] if self._rule == "last_touch" else steps
        if steps:
            steps[-1].terminated, steps[-1].truncated = item.terminated, item.truncated
            self._close(steps)
            final_at = instant_of(item.abandoned_at) + self._correctable_ms
            self._add_ended(item.abandonment_id, final_at, _Ended(steps, earners))
        return self._share(item.parts, earners, "abandonment", item.detected_at)

    def _correction(self, item: CorrectionItem) -> list[LateReward]:
        ended = self._ended.pop(item.abandonment_id, _Ended([], []))
        if ended.steps:
            last = ended.steps[-1]
            last.terminated, last.truncated = False, True
        self._settled += ended.steps
        return self._share(item.parts, ended.earners, "correction", item.detected_at)

    def _conversion(self, item: ConversionItem) -> list[LateReward]:
        steps = self._episode(item.journey_id, item.started_at, item.converted_at)
        if steps:
            steps[-1].terminated = True
        self._settled += self._close(steps)
        return self._share(item.parts, steps, "conversion", item.detected_at)

    def _episode(self, journey_id: str, start: datetime, end: datetime, last_action: str | None = None) -> list[Step]:
        """Open steps of one episode, by time; that of its last action may lie before it, if it arrived out of order."""
        span = range(instant_of(start), instant_of(end) + 1)
        steps = self._open.get(journey_id, {}).values()
        own = [step for step in steps if step.occurred_at in span or step.action_id == last_action]
        return sorted(own, key=lambda step: step.occurred_at)

    def _close(self, steps: Sequence[Step]) -> Sequence[Step]:
        """Remove steps from the open ones."""
        for step in steps:
            by_action = self._open[step.journey_id]
            del by_action[step.action_id]
            if not by_action:
                del self._open[step.journey_id]
        return steps

    def _share(
        self,
        parts: RewardParts,
        earners: Sequence[Step],
        because: Literal["abandonment", "correction", "conversion"],
        detected_at: datetime,
    ) -> list[LateReward]:
        micros = parts.rest
        if not self._books_spend:
            micros += parts.spend
        if not self._books_sales:
            micros += parts.value
        if not earners:
            self.uncredited_micros += micros
            return []
        self.credited_micros += micros
        touches = [TouchedBy(datetime_of(step.occurred_at), step.action_id) for step in earners]
        shares = credit(micros, touches, self._rule, self._half_life_days)
        late_rewards = []
        for step in earners:
            if share := shares.get(step.action_id, 0):
                step.reward_micros += share
                late_rewards.append(LateReward(step.journey_id, step.action_id, share, because, detected_at))
        return late_rewards


def action_text(action_id: str | SupportsIndex) -> str:
    """Id of an action as the records have it. Raises ConfigurationError for what is neither text nor whole number."""
    if isinstance(action_id, str):
        return action_id
    try:
        return str(index(action_id))
    except TypeError:
        raise ConfigurationError(f"action_id: {action_id!r} is neither text nor a whole number") from None


def _fields(step: Step) -> list[Any]:
    return [getattr(step, name) for name in Step.__slots__]
