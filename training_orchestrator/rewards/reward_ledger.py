"""RewardLedger: which steps earned what a feed gives, to the micro, and for which steps nothing more can come.

    ledger.act("journey-123", "bid-1", occurred_at)   # a step that bought a touchpoint
    for late in ledger.take(item):                    # an item of the feed, shared among the steps that earned it
        correct(late.action_id, late.reward)
    for step in ledger.settled(now):                  # final: learned from once, and forgotten here
        learn(step)

A penalty comes days after the step that earned it, so a ledger holds steps until they are settled. It invents nothing:
`credited_micros + uncredited_micros` is always the sum of all rewards taken.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from heapq import heappop, heappush
from itertools import count
from typing import Any, Final, Literal, NamedTuple, Self

from training_orchestrator.api.configuration import ConfigurationError
from training_orchestrator.api.local_time import datetime_of, instant_of
from training_orchestrator.feed.feed_checkpoint import BadCheckpointError
from training_orchestrator.feed.feed_items import AbandonmentItem, ConversionItem, CorrectionItem, FeedItem
from training_orchestrator.rewards.credit import CreditRule, TouchedBy, credit

_MICROS: Final = 1_000_000
_DAY_MS: Final = 86_400_000
_MAGIC: Final = b"JRL1"
_DIGEST_BYTES: Final = 16


class LateReward(NamedTuple):
    """What a step has earned since: in millionths of a reward, negative for a penalty."""

    journey_id: str
    action_id: str
    reward_micros: int
    because: Literal["abandonment", "correction", "conversion"]
    detected_at: datetime

    @property
    def reward(self) -> float:
        """The same in whole rewards."""
        return self.reward_micros / _MICROS


@dataclass(slots=True)
class Step:
    """A step that bought a touchpoint, and what it has earned late.

    `terminated` and `truncated` are true only of the last step of an episode: its outcome is known (it converted, or a
    competitor got the sale), or watching stopped. A correction makes an outcome a stop: the journey went on.
    """

    journey_id: str
    action_id: str
    occurred_at: int
    """Epoch milliseconds."""
    reward_micros: int = 0
    terminated: bool = False
    truncated: bool = False


class _Ended(NamedTuple):
    """An abandoned episode that a correction may still name."""

    steps: list[Step]
    earners: list[Step]


class RewardLedger:
    """Takes steps and items of one feed. `rule` and `half_life_days` are those of `credit`.

    A step is settled when its episode has converted (of a feed with `conversions=True`) or was corrected,
    `mature_after_days` after its abandonment (0 for a feed that corrects nothing), and where no end is heard of,
    `longest_days` (the policy's cap) after it was taken; `lag_days` more for a feed that is behind.
    `credits_conversions`: whether a conversion's value is shared, too; an environment may have given it already.
    """

    def __init__(
        self,
        rule: CreditRule = "last_touch",
        half_life_days: float = 7.0,
        *,
        longest_days: float = 90,
        mature_after_days: float = 30,
        lag_days: float = 1,
        credits_conversions: bool = False,
    ) -> None:
        """Raises ConfigurationError."""
        credit(0, [], rule, half_life_days)  # refuses what means nothing before the first step, not after days
        days = {"longest_days": longest_days, "mature_after_days": mature_after_days, "lag_days": lag_days}
        for name, value in days.items():
            if not 0 <= value < float("inf"):
                raise ConfigurationError(f"{name}: {value!r} is not a number of days, zero or more")
        self._said = {"rule": rule, "half_life_days": half_life_days, "credits_conversions": credits_conversions} | days
        self._rule: CreditRule = rule
        self._half_life_days = half_life_days
        self._credits_conversions = credits_conversions
        self._unheard_ms = int((longest_days + lag_days) * _DAY_MS)
        self._corrected_ms = int((mature_after_days + lag_days) * _DAY_MS)
        self._open: dict[str, dict[str, Step]] = {}
        self._ended: dict[str, _Ended] = {}
        self._settled: list[Step] = []
        # Steps and abandonments by the time from which nothing more can come; what has gone meanwhile is passed over.
        self._waiting: list[tuple[int, int, Step | str]] = []
        self._order = count()
        self.credited_micros = 0
        """Sum of all that was given to steps."""
        self.uncredited_micros = 0
        """Sum of all that no step here has earned: of journeys, actions and times that this ledger doesn't hold."""

    def act(self, journey_id: str, action_id: str, occurred_at: datetime) -> Step:
        """Hold a step. One that names an action again takes the earlier one's place, as after a reset to one seed."""
        step = Step(journey_id, action_id, instant_of(occurred_at))
        self._hold(step)
        return step

    def take(self, item: FeedItem) -> list[LateReward]:
        """Share an item's reward among the steps that earned it; each item is to be given once, as a feed does."""
        if isinstance(item, AbandonmentItem):
            return self._abandonment(item)
        if isinstance(item, CorrectionItem):
            return self._correction(item)
        return self._conversion(item)

    def settled(self, now: datetime) -> list[Step]:
        """Steps for which nothing more can come, each once; they are forgotten here."""
        present = instant_of(now)
        while self._waiting and self._waiting[0][0] <= present:
            waited = heappop(self._waiting)[2]
            if isinstance(waited, str):
                ended = self._ended.pop(waited, None)
                self._settled += ended.steps if ended is not None else []
            elif self._open.get(waited.journey_id, {}).get(waited.action_id) is waited:
                self._settled += self._leave([waited])
        found, self._settled = self._settled, []
        return found

    def __len__(self) -> int:
        """Steps that are held."""
        waiting = sum(map(len, self._open.values())) + sum(len(ended.steps) for ended in self._ended.values())
        return waiting + len(self._settled)

    def to_bytes(self) -> bytes:
        """Bytes that `from_bytes` takes: to be stored in one step with the feed's checkpoint."""
        said: dict[str, Any] = {
            "said": self._said,
            "open": [_fields(step) for steps in self._open.values() for step in steps.values()],
            "ended": [
                [
                    named,
                    at,
                    [_fields(step) for step in ended.steps],
                    [ended.steps.index(each) for each in ended.earners],
                ]
                for at, _, named in self._waiting
                if isinstance(named, str) and (ended := self._ended.get(named)) is not None
            ],
            "settled": [_fields(step) for step in self._settled],
            "sums": [self.credited_micros, self.uncredited_micros],
        }
        body = _MAGIC + json.dumps(said, separators=(",", ":")).encode()
        return body + blake2b(body, digest_size=_DIGEST_BYTES).digest()

    @classmethod
    def from_bytes(cls, stored: bytes) -> Self:
        """Raises BadCheckpointError."""
        body, digest = stored[:-_DIGEST_BYTES], stored[-_DIGEST_BYTES:]
        if not stored.startswith(_MAGIC) or blake2b(body, digest_size=_DIGEST_BYTES).digest() != digest:
            raise BadCheckpointError(f"these {len(stored)} bytes are no whole ledger of rewards")
        said = json.loads(body[len(_MAGIC) :])
        ledger = cls(**said["said"])
        for fields in said["open"]:
            ledger._hold(Step(*fields))
        for named, at, steps, earners in said["ended"]:
            held = [Step(*fields) for fields in steps]
            ledger._await(named, at, _Ended(held, [held[place] for place in earners]))
        ledger._settled = [Step(*fields) for fields in said["settled"]]
        ledger.credited_micros, ledger.uncredited_micros = said["sums"]
        return ledger

    def _hold(self, step: Step) -> None:
        self._open.setdefault(step.journey_id, {})[step.action_id] = step
        heappush(self._waiting, (step.occurred_at + self._unheard_ms, next(self._order), step))

    def _await(self, named: str, at: int, ended: _Ended) -> None:
        self._ended[named] = ended
        heappush(self._waiting, (at, next(self._order), named))

    def _abandonment(self, item: AbandonmentItem) -> list[LateReward]:
        # Not to its end: what occurred at the very deadline is of the next episode.
        end = item.last_touchpoint_at or item.started_at
        steps = self._episode(item.journey_id, item.started_at, end, item.action_id)
        # What the last action was, the record knows better: another trainer's may have come behind ours, or ours late.
        earners = [step for step in steps if step.action_id == item.action_id] if self._rule == "last_touch" else steps
        if steps:
            steps[-1].terminated, steps[-1].truncated = item.terminated, item.truncated
            self._leave(steps)
            at = instant_of(item.abandoned_at) + self._corrected_ms
            self._await(item.abandonment_id, at, _Ended(steps, earners))
        return self._share(item.reward, earners, "abandonment", item.detected_at)

    def _correction(self, item: CorrectionItem) -> list[LateReward]:
        ended = self._ended.pop(item.abandonment_id, _Ended([], []))
        if ended.steps:
            last = ended.steps[-1]
            last.terminated, last.truncated = False, True
        self._settled += ended.steps
        return self._share(item.reward, ended.earners, "correction", item.detected_at)

    def _conversion(self, item: ConversionItem) -> list[LateReward]:
        steps = self._episode(item.journey_id, item.started_at, item.converted_at)
        if steps:
            steps[-1].terminated = True
        self._settled += self._leave(steps)
        if not self._credits_conversions:
            return []
        return self._share(item.reward, steps, "conversion", item.detected_at)

    def _episode(self, journey_id: str, start: datetime, end: datetime, named: str | None = None) -> list[Step]:
        """Steps held of one episode, by time; the one that its record names may have come out of order, before it."""
        span = range(instant_of(start), instant_of(end) + 1)
        held = self._open.get(journey_id, {}).values()
        found = [step for step in held if step.occurred_at in span or step.action_id == named]
        return sorted(found, key=lambda step: step.occurred_at)

    def _leave(self, steps: Sequence[Step]) -> Sequence[Step]:
        """Take steps out of those whose end is not known."""
        for step in steps:
            held = self._open[step.journey_id]
            del held[step.action_id]
            if not held:
                del self._open[step.journey_id]
        return steps

    def _share(
        self,
        reward: float,
        earners: Sequence[Step],
        because: Literal["abandonment", "correction", "conversion"],
        detected_at: datetime,
    ) -> list[LateReward]:
        micros = round(reward * _MICROS)
        if not earners:
            self.uncredited_micros += micros
            return []
        self.credited_micros += micros
        touches = [TouchedBy(datetime_of(step.occurred_at), step.action_id) for step in earners]
        shares = credit(micros, touches, self._rule, self._half_life_days)
        found = []
        for step in earners:
            if share := shares.get(step.action_id, 0):
                step.reward_micros += share
                found.append(LateReward(step.journey_id, step.action_id, share, because, detected_at))
        return found


def _fields(step: Step) -> list[Any]:
    return [getattr(step, name) for name in Step.__slots__]
