"""JourneyRewards: Gymnasium's own checks, and penalties of a real feed on the steps that earned them."""

from collections import Counter
from time import monotonic

import pytest
from gymnasium.utils.env_checker import check_env

from training_orchestrator import AbandonmentFeed, ConfigurationError, JourneyRewards, RewardLedger
from training_orchestrator.feed.feed_checkpoint import FeedCheckpoint

from .bidding_env import BiddingEnv
from .fed import micros
from .store_of_journeys import ManualClock


@pytest.fixture
def market(tmp_path):
    """A market with its own store, in simulated time."""
    env = BiddingEnv(tmp_path / "journeys.sqlite3", ManualClock())
    yield env
    env.close()


def feed_of(tmp_path, **more):
    """Feed of the market's store."""
    return AbandonmentFeed.from_store(tmp_path / "journeys.sqlite3", **more)


def add(late, found):
    """Sum up by action: one may get its penalty and the correction together."""
    for each in found:
        late[each.action_id] += each.reward_micros


def play(env, journeys, first=0):
    """Bid for some customers, each to the end; returns the environment's rewards and the late ones by action."""
    rewards, late, bought = {}, Counter(), 0
    for number in range(journeys):
        env.reset(seed=first + number)
        while True:
            _, reward, terminated, truncated, info = env.step(number % 2)
            rewards[info["action_id"]] = reward
            add(late, info["late_rewards"])
            bought += terminated
            if terminated or truncated:
                break
    assert 0 < bought < journeys
    return rewards, late


def drained(env, feed, tmp_path):
    """Late rewards by action, read up to the last output of the store."""
    with feed_of(tmp_path, follow=False) as again:
        list(again)
        end = positions(again)
    late, deadline = Counter(), monotonic() + 60
    while positions(feed) != end:
        assert monotonic() < deadline, "the feed does not come to its end"
        add(late, env.read(max_wait=0.3))
    add(late, env.read())
    return late


def positions(feed):
    """Position of a feed."""
    return FeedCheckpoint.from_bytes(feed.checkpoint()).positions


def fed_again(tmp_path):
    """Items of another feed from the beginning."""
    with feed_of(tmp_path, follow=False) as feed:
        return list(feed)


@pytest.mark.filterwarnings("ignore:.*is different from the unwrapped version:UserWarning")  # that is what is checked
def test_gymnasiums_own_check_passes(market, tmp_path):
    """Spaces, seeds, determinism, types: with a feed that is read at each step."""
    with feed_of(tmp_path) as feed:
        check_env(JourneyRewards(market, feed, now=market.now), skip_render_check=True)


@pytest.mark.parametrize("rule", ["last_touch", "linear", "time_decay"])
def test_penalties_reach_their_steps_exactly_once(market, tmp_path, rule):
    """The sum is the feed's, corrections included; none is credited to the step during which it arrives."""
    with feed_of(tmp_path) as feed:
        env = JourneyRewards(market, feed, now=market.now, rule=rule, half_life_days=0.1)
        rewards, late = play(env, 20)
        stopped = market.journey
        market.pass_days(4)
        market.journey = stopped
        market.touch("INTENT", 0)  # it comes back, without anybody's bid
        more, later = play(env, 10, first=20)
        late.update(later)
        market.pass_days(50)
        late.update(drained(env, feed, tmp_path))
        items = fed_again(tmp_path)
        assert {item.kind for item in items} == {"abandonment", "correction", "conversion"}
        assert sum(late.values()) == env.ledger.credited_micros
        # The return has no action: its own abandonment is nobody's.
        returned = [item for item in items if item.kind == "abandonment" and item.action_id is None]
        assert len(returned) == 1
        assert env.ledger.uncredited_micros == micros(returned)
        assert env.ledger.credited_micros == micros(items) - micros(returned)
        settled = env.settled()
    assert {each.action_id: each.reward for each in settled} == rewards | more
    assert {each.action_id: round(each.late_reward * 1e6) for each in settled if each.late_reward} == {
        name: value for name, value in late.items() if value
    }
    assert env.settled() == []


def test_a_transition_says_what_came_of_its_journey(market, tmp_path):
    """Bought: terminated. Stopped: truncated. The spend of either is at its last step, the market gave the sale."""
    with feed_of(tmp_path) as feed:
        env = JourneyRewards(market, feed, now=market.now, booked="sales")
        play(env, 12)
        # What was bought may be known by now; no stop is.
        settled = env.settled()
        assert not any(each.truncated for each in settled)
        market.pass_days(40)
        drained(env, feed, tmp_path)
        settled += env.settled()
    by_journey = {}
    for transition in settled:
        by_journey.setdefault(transition.journey_id, []).append(transition)
    assert len(by_journey) == 12
    for transitions in by_journey.values():
        *before, last = sorted(transitions, key=lambda each: each.observation[0])
        assert not any(each.terminated or each.truncated or each.late_reward for each in before)
        assert (last.terminated, last.truncated) == (last.reward > 0, last.reward == 0)
        assert last.late_reward <= 0
        assert last.total_reward == last.reward + last.late_reward


def test_a_restart_goes_on_where_feed_and_ledger_stood(market, tmp_path):
    """Two halves, with a new feed and a new wrapper between them: nothing twice, nothing lost."""
    with feed_of(tmp_path) as feed:
        env = JourneyRewards(market, feed, now=market.now)
        play(env, 10)
        market.pass_days(2)  # half of the stop that ends a journey
        play(env, 10, first=10)
        drained(env, feed, tmp_path)
        position, ledger = feed.checkpoint(), env.ledger.to_bytes()
    market.pass_days(4)
    with feed_of(tmp_path, start=position) as feed:
        env = JourneyRewards(market, feed, ledger=RewardLedger.from_bytes(ledger), now=market.now)
        assert drained(env, feed, tmp_path)
        assert env.ledger.credited_micros == micros(fed_again(tmp_path))
        assert env.ledger.uncredited_micros == 0


def test_a_trainer_may_read_the_feed_by_itself(market, tmp_path):
    """In its own loop, async or not: items are credited as they are given."""
    env = JourneyRewards(market, now=market.now)
    play(env, 10)
    market.pass_days(4)
    items = fed_again(tmp_path)
    late = env.credit(items)
    assert sum(each.reward_micros for each in late) == micros(items) < 0


def test_an_environment_that_does_not_say_what_it_bought_is_refused(market):
    """Otherwise no penalty would be credited, without any error."""

    class Silent(BiddingEnv):
        def step(self, action):
            return (*super().step(action)[:4], {"spent": 1})

    market.__class__ = Silent
    env = JourneyRewards(market, now=market.now)
    env.reset(seed=1)
    with pytest.raises(ConfigurationError, match=r"info: \['spent'\] has no action_id"):
        env.step(0)


def test_a_step_that_bought_nothing_is_settled_at_once(market):
    """It is final at once: it can't get a penalty."""

    class Declining(BiddingEnv):
        def step(self, _):
            return self._seen(), 0.0, False, False, {"action_id": None}

    market.__class__ = Declining
    env = JourneyRewards(market, now=market.now)
    env.reset(seed=1)
    env.step(0)
    assert [(each.action_id, each.total_reward) for each in env.settled()] == [(None, 0.0)]


def test_what_means_nothing_is_refused(market):
    """Field and value are named."""
    with pytest.raises(ConfigurationError, match="read_every: 0"):
        JourneyRewards(market, read_every=0)
    with pytest.raises(ConfigurationError, match="ledger: give it or rule; a ledger has its own"):
        JourneyRewards(market, ledger=RewardLedger(), rule="linear")
