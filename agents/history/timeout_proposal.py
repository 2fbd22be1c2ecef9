"""Proposes a policy from packed history: fits thresholds, runs them over the whole history, checks them by time."""

from __future__ import annotations

from typing import NamedTuple

from journeys.agents.history.silence_reader import ReadSilences, judge, read_silences
from journeys.agents.history.time_check import RuleFigures, TimeCheck, check_by_time, check_instant, figures_by_rule
from journeys.agents.settings.operation_error import OperationError
from journeys.analytics.proposal import Proposal, Request, TooFewSilencesError, propose
from journeys.analytics.proposed_policy import policy_of
from journeys.schemas.instants import DAY_MS, format_instant
from journeys.streams.compiled.backtest_tally import BacktestTally
from journeys.streams.rule.policy import Policy


class ProposedPolicy(NamedTuple):
    """A proposal with its policy, and what the whole history comes to under it and under the policy in force.

    `by_rule` are figures of the proposal's segments, in their order. `check` is None where the history is too short.
    """

    proposal: Proposal
    policy: Policy
    tally: BacktestTally
    present: Policy
    present_tally: BacktestTally
    by_rule: list[RuleFigures]
    check: TimeCheck | None


def propose_policy(
    path: str, request: Request, present: Policy, version: str | None = None, *, train_until: int | None = None
) -> ProposedPolicy:
    """Propose from a packed file, of which only what lies before `train_until` is learned from.

    Without a `version` its name comes from the date and from what was asked for.
    Raises UnreadableFileError, InvalidPolicyError, and OperationError where the history says nothing.
    """
    read = read_silences(path)
    silences = read.silences
    try:
        proposal = propose(silences if train_until is None else silences.known_by(train_until), request)
    except TooFewSilencesError as error:
        raise OperationError(f"{path}: {error}: nothing can be proposed") from None
    span_ms = silences.end_at - int(silences.begin.min())
    policy = policy_of(proposal, present, version or _version(proposal), span_ms=span_ms)
    made, in_force = judge(path, read, [policy, present])
    by_rule = figures_by_rule(silences, proposal, made)
    check = _check(path, read, proposal, present, train_until)
    return ProposedPolicy(proposal, policy, made.tally, present, in_force.tally, by_rule, check)


def _version(proposal: Proposal) -> str:
    day = format_instant(proposal.as_of).partition("T")[0]
    request = proposal.request
    asked = f"{request.price_ms / DAY_MS:g}d" if request.price_ms is not None else f"most-{request.wrong_at_most:g}"
    return f"proposed-{day}-{asked}-within-{request.horizon_ms / DAY_MS:g}d"


def _check(
    path: str, read: ReadSilences, proposal: Proposal, present: Policy, train_until: int | None
) -> TimeCheck | None:
    """Judge the proposal itself behind what it has seen; else one that is fitted likewise on an earlier part."""
    if train_until is not None:
        return check_by_time(path, read, proposal, present, train_until)
    begin_at = check_instant(read.silences, proposal.request.horizon_ms)
    if begin_at is None:
        return None
    try:
        earlier = propose(read.silences.known_by(begin_at), proposal.request)
    except TooFewSilencesError:
        return None
    return check_by_time(path, read, earlier, present, begin_at)
