"""A proposal checked by time: fitted on what lies before an instant, judged on the silences that begin behind it.

Next to it stand thresholds that people take otherwise. Each is run over the whole history by the engine; costs are
those of the silences that were watched for the horizon.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from journeys.agents.history.silence_reader import NEVER, Judged, ReadSilences, judge
from journeys.analytics.proposal import Proposal, segment_places
from journeys.analytics.proposed_policy import one_threshold, policy_of
from journeys.analytics.silences import ENDED, OPEN, Silences
from journeys.analytics.survival import Array, Share, kaplan_meier
from journeys.analytics.thresholds import realised_costs
from journeys.schemas.instants import DAY_MS, HOUR_MS
from journeys.streams.rule.policy import Policy

_HABITS: Final = {"72 hours": 72 * HOUR_MS, "14 days": 14 * DAY_MS}
_QUANTILE: Final = 0.95
# Of the time in which a silence can begin and be watched for the horizon, what lies before this part is learned from.
_LEARNED: Final = 0.6


class Row(NamedTuple):
    """One policy on the later silences: mean cost and waiting of a silence in ms, and the share that it ended wrongly.

    `threshold_ms` is None for rules and for the policy in force. `extra` is what the cost is above that of the best
    single threshold in hindsight. Costs are None where a promise was asked for.
    """

    name: str
    threshold_ms: int | None
    cost_ms: float | None
    extra: float | None
    waiting_ms: float
    wrong: float
    abandonments: int


class RuleFigures(NamedTuple):
    """What the engine made of a segment's silences.

    Of its abandonments `mature` were watched for the horizon, `open` neither so long nor came back before. `wrong` is
    the share that came back within the horizon (Kaplan-Meier); None where nobody was watched for so long.
    """

    abandonments: int
    mature: int
    open: int
    wrong: Share | None


class TimeCheck(NamedTuple):
    """The rows, and what they come from: silences begun from `begin_at` until a horizon before the end.

    `by_rule` are figures of the proposed segments, of all silences that began from `begin_at` on.
    """

    begin_at: int
    until: int
    silences: int
    rows: list[Row]
    by_rule: list[RuleFigures]


def check_instant(silences: Silences, horizon_ms: int) -> int | None:
    """Where to cut a history for the check; None where it is not longer than the horizon."""
    if not len(silences):
        return None
    first, last = int(silences.begin.min()), silences.end_at - horizon_ms
    return None if last <= first else first + int((last - first) * _LEARNED)


def check_by_time(
    path: str, read: ReadSilences, proposal: Proposal, present: Policy, begin_at: int
) -> TimeCheck | None:
    """Judge a proposal that was fitted on what lies before `begin_at`. None where no silence can be judged."""
    silences, request = read.silences, proposal.request
    until = silences.end_at - request.horizon_ms
    judged = silences.is_silence & (silences.begin >= begin_at) & (silences.begin <= until)
    if not judged.any():
        return None
    later = silences.of(judged)
    thresholds = _single_thresholds(silences.known_by(begin_at), later, proposal)
    span = silences.end_at - int(silences.begin.min())
    proposed = policy_of(proposal, present, "proposed", span_ms=span)
    longest = int(proposed.deadlines.timeout_days)
    policies = [
        one_threshold(present, name, threshold, longest_days=longest, cleanup_ms=proposed.cleanup_ms)
        for name, threshold in thresholds.items()
    ]
    made = judge(path, read, [*policies, proposed, present])
    names = [*thresholds, "by segment, pooled", f"in force: {present.version}"]
    singles = [*thresholds.values(), None, None]
    price = request.price_ms
    rows = [
        _row(name, single, one, later, judged, request.horizon_ms, price)
        for name, single, one in zip(names, singles, made, strict=True)
    ]
    if price is not None:
        best = rows[len(thresholds) - 1].cost_ms
        assert best is not None
        rows = [row._replace(extra=None if not best or row.cost_ms is None else row.cost_ms / best - 1) for row in rows]
    by_rule = figures_by_rule(silences, proposal, made[-2], since=begin_at)
    return TimeCheck(begin_at, until, len(later), rows, by_rule)


def figures_by_rule(silences: Silences, proposal: Proposal, made: Judged, *, since: int = 0) -> list[RuleFigures]:
    """Figures of each segment of the proposal under its policy, of silences that began from `since` on."""
    places = segment_places(proposal, silences)
    ended = silences.is_silence & (silences.begin >= since) & (made.ended_after < NEVER)
    figures = []
    for place in range(len(proposal.segments)):
        held = np.flatnonzero(ended & (places == place))
        own, after = silences.of(held), made.ended_after[held]
        horizon = proposal.request.horizon_ms
        mature = int((own.begin + after + horizon <= silences.end_at).sum())
        still_open = int(((own.ending == OPEN) & (own.begin + after + horizon > silences.end_at)).sum())
        curve = kaplan_meier(np.maximum(own.age - after, 0), own.came_back, own.ending == ENDED)
        figures.append(RuleFigures(len(held), mature, still_open, curve.share_by(horizon) if len(held) else None))
    return figures


def _single_thresholds(before: Silences, later: Silences, proposal: Proposal) -> dict[str, int]:
    """Thresholds for all journeys, by name; the best in hindsight is the last where there is a price."""
    thresholds = dict(_HABITS)
    closed = before.age[before.is_silence & before.came_back]
    if len(closed):
        thresholds["95th percentile of closed gaps"] = max(int(np.quantile(closed, _QUANTILE)), 1)
    request = proposal.request
    if request.price_ms is not None:
        thresholds["one Kaplan-Meier"] = proposal.threshold_ms
        costs = [
            realised_costs(later.age, later.came_back, int(one), request.horizon_ms, request.price_ms).mean()
            for one in proposal.grid
        ]
        thresholds["best in hindsight"] = int(proposal.grid[int(np.argmin(costs))])
    return thresholds


def _row(
    name: str, threshold: int | None, made: Judged, later: Silences, judged: Array, horizon_ms: int, price: float | None
) -> Row:
    ended_after = made.ended_after[judged]
    waiting = realised_costs(later.age, later.came_back, ended_after, horizon_ms, 0)
    wrong = later.came_back & (later.age >= ended_after) & (later.age < horizon_ms)
    cost = None if price is None else float(waiting.mean() + price * wrong.mean())
    return Row(
        name, threshold, cost, None, float(waiting.mean()), float(wrong.mean()), int((ended_after < NEVER).sum())
    )
