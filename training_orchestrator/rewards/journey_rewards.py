"""JourneyRewards: an environment whose penalties come later than the steps that earned them.

    with AbandonmentFeed.from_settings(conversions=True) as feed:
        env = JourneyRewards(BiddingEnv(), feed, rule="time_decay")
        observation, info = env.reset(seed=7)
        observation, reward, terminated, truncated, info = env.step(action)
        for late in info["late_rewards"]:         # correct what was learned, or
            ...
        for transition in env.settled():          # learn from what is final
            ...

The environment says in `info` what each step bought: `journey_id`, `action_id` (None for a step that bought nothing)
and, unless it is now, `occurred_at`: what it gave the touchpoint. Needs the extra `gymnasium`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Generic, SupportsFloat, TypeVar

from training_orchestrator.api.configuration import ConfigurationError
from training_orchestrator.api.extras import needs
from training_orchestrator.feed.abandonment_feed import AbandonmentFeed
from training_orchestrator.feed.feed_items import FeedItem
from training_orchestrator.rewards.reward_ledger import LateReward, RewardLedger, Step

with needs("gymnasium", "JourneyRewards"):
    import gymnasium

_READ_ITEMS: Final = 1_000
Observed = TypeVar("Observed")
Acted = TypeVar("Acted")


@dataclass(frozen=True, slots=True)
class Transition(Generic[Observed, Acted]):
    """A step whose reward is final: the environment's own and `late_reward`, apart.

    `terminated` and `truncated` are the environment's or, of the last step of a journey's episode, what came of it.
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
        """What there is to learn."""
        return self.reward + self.late_reward


class JourneyRewards(gymnasium.Wrapper[Observed, Acted, Observed, Acted], Generic[Observed, Acted]):
    """Gives what the environment gives, and beside it what earlier steps have earned since.

    To be stored with the model, in one step: `feed.checkpoint()`, from which a new feed starts, and
    `env.ledger.to_bytes()`, of which `RewardLedger.from_bytes` makes the ledger of a new wrapper.

    A step's `reward` is the environment's alone: a penalty that comes meanwhile belongs to other steps. It is told in
    two ways, for two kinds of trainers: `info["late_rewards"]` names the step that earned it, as soon as the feed gives
    it; `settled()` gives transitions when nothing more can come. Use one of them.
    """

    def __init__(
        self,
        env: gymnasium.Env[Observed, Acted],
        feed: AbandonmentFeed | None = None,
        *,
        ledger: RewardLedger | None = None,
        now: Callable[[], datetime] | None = None,
        read_every: int = 1,
        **more: Any,
    ) -> None:
        """`feed` is open, with `with`; without one, items come by `credit`. `more` makes a ledger where none is given.

        `now` is in place of the clock. Before every `read_every` steps the feed is looked at, which waits for nothing.
        Raises ConfigurationError.
        """
        super().__init__(env)
        if read_every < 1:
            raise ConfigurationError(f"read_every: {read_every!r} is not a whole number above zero")
        if ledger is not None and more:
            raise ConfigurationError(f"ledger: it has its own {', '.join(sorted(more))}")
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
        """As the environment does; what earlier steps may yet earn goes on coming."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._observation = observation
        return observation, info

    def step(self, action: Acted) -> tuple[Observed, SupportsFloat, bool, bool, dict[str, Any]]:
        """As the environment does, with `late_rewards` in `info`: what the feed gave before this step was taken.

        Raises StoreUnavailableError before anything was done, ConfigurationError for an environment that says no
        `action_id`.
        """
        late = self.read() if self._steps_until_read == 0 else []
        self._steps_until_read = (self._steps_until_read or self._read_every) - 1
        before = self._observation
        assert before is not None, "call reset() first"
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._observation = observation
        transition = Transition(before, action, float(reward), observation, terminated, truncated)
        self._note(transition, info)
        return observation, reward, terminated, truncated, {**info, "late_rewards": late}

    def read(self, max_wait: float = 0.0) -> list[LateReward]:
        """Take what the feed has, waiting `max_wait` seconds for the first of it. Raises StoreUnavailableError."""
        late: list[LateReward] = []
        while self._feed is not None and (items := self._feed.take_blocking(_READ_ITEMS, max_wait)):
            late += self.credit(items)
            max_wait = 0.0
        return late

    def credit(self, items: Iterable[FeedItem]) -> list[LateReward]:
        """Share what a feed gave that the trainer reads by itself; each item once."""
        return [late for item in items for late in self.ledger.take(item)]

    def settled(self) -> list[Transition[Observed, Acted]]:
        """Transitions for which nothing more can come, each once.

        Those taken before a restart are not among them: a ledger keeps what steps have earned, and no observations.
        """
        for step in self.ledger.settled(self._now()):
            transition = self._pending.pop((step.journey_id, step.action_id), None)
            if transition is not None:
                self._final.append(_with_late(transition, step))
        final, self._final = self._final, []
        return final

    def _note(self, transition: Transition[Observed, Acted], info: dict[str, Any]) -> None:
        if "action_id" not in info or (info["action_id"] is not None and "journey_id" not in info):
            raise ConfigurationError(
                f"info: {sorted(info)} has no action_id with its journey_id; the environment must say what each step "
                "bought (action_id None for nothing), or no penalty can be credited"
            )
        if info["action_id"] is None:
            self._final.append(transition)
            return
        journey_id, action_id = info["journey_id"], info["action_id"]
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
        step.reward_micros / 1_000_000,
    )
