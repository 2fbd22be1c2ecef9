"""JourneyRewards: a Gymnasium wrapper that credits late penalties to the steps that earned them.

    with AbandonmentFeed.from_settings() as feed:
        env = JourneyRewards(BiddingEnv(), feed, rule="time_decay", booked="spend")
        observation, info = env.reset(seed=7)
        observation, reward, terminated, truncated, info = env.step(action)
        for late in info["late_rewards"]:         # correct what was learned, or
            ...
        for transition in env.settled():          # learn from final transitions
            ...

The environment's `info` names what each step bought: `journey_id`, `action_id` (None for a step that bought nothing)
and the touchpoint's `occurred_at`, unless it is now. Needs the extra `gymnasium`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Generic, Protocol, SupportsFloat, TypeVar

from journeys.schemas.money import MICROS
from training_orchestrator.api.configuration import ConfigurationError
from training_orchestrator.api.extras import needs
from training_orchestrator.feed.feed_items import FeedItem
from training_orchestrator.rewards.reward_ledger import LateReward, RewardLedger, Step, action_text

with needs("gymnasium", "JourneyRewards"):
    import gymnasium

_READ_ITEMS: Final = 1_000
Observed = TypeVar("Observed")
Acted = TypeVar("Acted")


class BlockingFeed(Protocol):
    """What is used of an open feed; AbandonmentFeed is one."""

    def take_blocking(self, max_records: int, max_wait: float) -> list[FeedItem]:
        """Up to `max_records` items, waiting up to `max_wait` seconds for the first."""


@dataclass(frozen=True, slots=True)
class Transition(Generic[Observed, Acted]):
    """A step with its final reward: the environment's `reward`, and `late_reward` beside it.

    `terminated` and `truncated` are the environment's; on the last step of a journey's episode also the episode's.
    `journey_id` and `action_id` are None for a step that bought nothing.
    """

    observation: Observed
    action: Acted
    reward: float
    next_observation: Observed
    terminated: bool
    truncated: bool
    journey_id: str | None = None
    action_id: str | None = None
    late_reward: float = 0.0

    @property
    def total_reward(self) -> float:
        """Sum of both rewards."""
        return self.reward + self.late_reward


class JourneyRewards(gymnasium.Wrapper[Observed, Acted, Observed, Acted], Generic[Observed, Acted]):
    """Wraps an environment and reports the late rewards of earlier steps.

    Store with the model, in one step: `feed.checkpoint()`, from which a new feed starts, and `env.ledger.to_bytes()`,
    from which `RewardLedger.from_bytes` makes the ledger of a new wrapper.

    A step's `reward` is the environment's alone: a penalty that arrives meanwhile belongs to earlier steps. There are
    two ways to learn from it, use one of them: `info["late_rewards"]` names the steps as soon as the feed has an item;
    `settled()` gives transitions whose reward is final.
    """

    def __init__(
        self,
        env: gymnasium.Env[Observed, Acted],
        feed: BlockingFeed | None = None,
        *,
        ledger: RewardLedger | None = None,
        now: Callable[[], datetime] | None = None,
        read_every: int = 1,
        **more: Any,
    ) -> None:
        """`feed` is an open, blocking feed; without one, pass items to `credit`. `more` are options of a new ledger.

        Among them `booked` says which of spend and sales the environment rewards by itself, by default none.

        `now` replaces the clock. The feed is read before every `read_every` steps, without waiting for items.
        Raises ConfigurationError.
        """
        super().__init__(env)
        if read_every < 1:
            raise ConfigurationError(f"read_every: {read_every!r} is not a whole number above zero")
        if ledger is not None and more:
            raise ConfigurationError(f"ledger: give it or {', '.join(sorted(more))}; a ledger has its own")
        self.ledger = RewardLedger(**more) if ledger is None else ledger
        self._feed = feed
        self._now = now or (lambda: datetime.now(UTC))
        self._read_every = read_every
        self._steps_until_read = 0
        self._observation: Observed | None = None
        self._pending: dict[tuple[str, str], Transition[Observed, Acted]] = {}
        self._final: list[Transition[Observed, Acted]] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observed, dict[str, Any]]:
        """Reset the environment; earlier steps stay in the ledger and go on earning."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._observation = deepcopy(observation)
        return observation, info

    def step(self, action: Acted) -> tuple[Observed, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step the environment; `info` has `late_rewards` besides: those of the items read before this step.

        Raises StoreUnavailableError before the step is taken, ConfigurationError where `info` has no `action_id`.
        """
        late = self.read() if self._steps_until_read == 0 else []
        self._steps_until_read = (self._steps_until_read or self._read_every) - 1
        before = self._observation
        assert before is not None, "call reset() first"
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._observation = deepcopy(observation)
        # Copied: an environment may fill one array again at each step.
        transition = Transition(before, deepcopy(action), float(reward), self._observation, terminated, truncated)
        self._add(transition, info)
        return observation, reward, terminated, truncated, {**info, "late_rewards": late}

    def read(self, max_wait: float = 0.0) -> list[LateReward]:
        """Read the feed's items, waiting up to `max_wait` seconds for the first. Raises StoreUnavailableError."""
        late: list[LateReward] = []
        while self._feed is not None and (items := self._feed.take_blocking(_READ_ITEMS, max_wait)):
            late += self.credit(items)
            max_wait = 0.0
        return late

    def credit(self, items: Iterable[FeedItem]) -> list[LateReward]:
        """Credit items of a feed that the trainer reads by itself; pass each item once."""
        return [late for item in items for late in self.ledger.take(item)]

    def settled(self) -> list[Transition[Observed, Acted]]:
        """Transitions whose reward is final, each once.

        Those from before a restart are left out: a ledger keeps rewards, and no observations.
        """
        for step in self.ledger.settled(self._now()):
            transition = self._pending.pop((step.journey_id, step.action_id), None)
            if transition is not None:
                self._final.append(_with_late(transition, step))
        final, self._final = self._final, []
        return final

    def _add(self, transition: Transition[Observed, Acted], info: dict[str, Any]) -> None:
        if "action_id" not in info or (info["action_id"] is not None and "journey_id" not in info):
            raise ConfigurationError(
                f"info: {sorted(info)} has no action_id with its journey_id; the environment must name what each step "
                "bought (action_id None for nothing), or no penalty can be credited"
            )
        if info["action_id"] is None:
            self._final.append(transition)
            return
        journey_id, action_id = info["journey_id"], action_text(info["action_id"])
        self.ledger.act(journey_id, action_id, info.get("occurred_at") or self._now())
        self._pending[journey_id, action_id] = transition


def _with_late(transition: Transition[Observed, Acted], step: Step) -> Transition[Observed, Acted]:
    terminated = transition.terminated or step.terminated
    return Transition(
        transition.observation,
        transition.action,
        transition.reward,
        transition.next_observation,
        terminated,
        (transition.truncated or step.truncated) and not terminated,
        step.journey_id,
        step.action_id,
        step.reward_micros / MICROS,
    )
