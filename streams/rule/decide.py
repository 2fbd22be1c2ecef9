"""The rule: what a record, or the passing of time, means for one journey.

Generators of facts. The caller lets `evolve` write each fact into the row before it asks for the next,
so that every question is put to the row as it then is:

    is the id known?      Duplicate, and nothing else, unless the journey would be forgotten by then
    is the deadline past? ExtendedAutomatically, Abandoned (decide_overdue)
    is the record late?   Late or Refused, and nothing more
    is an episode open?   if not: Started or Returned (signals and commands: Refused)
    the record itself     TouchpointApplied, OverridesChanged, Extended
    does it end there?    Converted, Abandoned (budget before fatigue)

Nothing here reads a clock: time is in the records.
"""

from __future__ import annotations

from collections.abc import Iterator

from journeys.schemas.identity import command_hash, touchpoint_hash
from journeys.schemas.records import (
    CONVERTED,
    SIGNALS,
    JourneyCommand,
    JourneyRecord,
    JourneyRegistered,
    JourneySignal,
    Touchpoint,
)
from journeys.streams.rule.facts import (
    Abandoned,
    Converted,
    Duplicate,
    Extended,
    ExtendedAutomatically,
    Fact,
    Late,
    OverridesChanged,
    Refused,
    Returned,
    Started,
    TouchpointApplied,
)
from journeys.streams.rule.policy import Policy
from journeys.streams.rule.row import Row

_ENGAGED_STATES = frozenset({"CONSIDERING", "INTENT"})


def decide_overdue(row: Row, record: JourneyRecord) -> Iterator[Fact]:
    """Facts of an open episode that was over when `record` happened, by whatever record of its journey."""
    if not row.open or record.occurred_at < row.deadline_at:
        return
    # A duplicate moves nothing, unless it lies so far after the deadline that the journey would be forgotten.
    if (
        _is_known(row, record)
        and record.occurred_at < _extended_deadline_at(row, record.occurred_at) + row.policy.cleanup_ms
    ):
        return
    yield from decide_due(row, record.occurred_at)


def _is_known(row: Row, record: JourneyRecord) -> bool:
    if isinstance(record, Touchpoint):
        return row.remembers(touchpoint_hash(record.touchpoint_id))
    if isinstance(record, JourneyRegistered) or record.command_id is None:
        return False
    return row.remembers(command_hash(record.command_id))


def only_counts(row: Row, touchpoint: Touchpoint, id_hash: bytes) -> bool:
    """Whether TouchpointApplied, in the episode that is open, is all that `decide` would find.

    So it is with most touchpoints. Whoever asks this first spares them the rest of the questions. It says no of some
    more: where a rule wants to know a touchpoint's time, and for a hash that stands across two others in `recent_ids`.
    """
    occurred_at = touchpoint.occurred_at
    return (
        row.open
        and not row.is_watched
        and occurred_at < row.started_at + row.lasts_ms
        and occurred_at < row.last_activity_at + row.inactivity_in_force_ms
        and touchpoint.state != CONVERTED
        and (row.late_until is None or occurred_at > row.late_until)
        and id_hash not in row.recent_ids
    )


def decide(row: Row, record: JourneyRecord, forgotten_until: int | None, policy: Policy) -> Iterator[Fact]:
    """Facts of one record for its journey, when `decide_overdue` has been heard.

    `forgotten_until` is the instant up to which a record of an unknown journey is late (ms, None before the first
    punctuation), `policy` the one in force in the partition, which an episode that begins now keeps.
    """
    if isinstance(record, Touchpoint):
        return _decide_touchpoint(row, record, forgotten_until, policy)
    if isinstance(record, JourneyRegistered):
        return _decide_registration(row, record, forgotten_until, policy)
    return _decide_request(row, record)


def decide_due(row: Row, at: int) -> Iterator[Fact]:
    """Facts of an open episode whose deadline is not after the instant `at`."""
    due_at = row.timeout_deadline_at
    extended_by_ms = _automatic_extension_ms(row, at)
    if extended_by_ms:
        yield ExtendedAutomatically(due_at, extended_by_ms)
    deadline_at = row.deadline_at
    if deadline_at <= at:
        is_timeout = deadline_at == row.timeout_deadline_at
        reason, rule = ("TIMEOUT", row.timeout_rule) if is_timeout else ("INACTIVITY", row.inactivity_rule)
        # Exclusive: a record at exactly the deadline is behind the end.
        yield Abandoned(reason, deadline_at, deadline_at - 1, None, rule)


def _extended_deadline_at(row: Row, at: int) -> int:
    """Deadline of an open episode as the automatic extensions due at `at` would leave it."""
    timeout_at = min(row.timeout_deadline_at + _automatic_extension_ms(row, at), row.cap_at)
    return min(timeout_at, row.last_activity_at + row.inactivity_in_force_ms)


def _automatic_extension_ms(row: Row, at: int) -> int:
    """Sum of the extensions that keep an engaged episode's timeout from being due at `at`; 0 for none."""
    rule = row.policy.extension
    if rule is None or row.state not in _ENGAGED_STATES:
        return 0
    extended_by_ms = 0
    timeout_at = row.timeout_deadline_at
    inactive_at = row.last_activity_at + row.inactivity_in_force_ms
    while timeout_at <= at and timeout_at <= inactive_at and timeout_at < row.cap_at:
        opens = timeout_at - row.inactivity_in_force_ms
        if sum(opens < touched <= timeout_at for touched in row.touchpoint_times) < rule.touchpoints:
            break
        extended_by_ms += row.policy.extend_by_ms
        timeout_at = min(row.timeout_deadline_at + extended_by_ms, row.cap_at)
    return extended_by_ms


def _decide_touchpoint(row: Row, touchpoint: Touchpoint, forgotten_until: int | None, policy: Policy) -> Iterator[Fact]:
    id_hash = touchpoint_hash(touchpoint.touchpoint_id)
    occurred_at = touchpoint.occurred_at
    if row.remembers(id_hash):
        yield Duplicate()
        return
    if _is_late(row, occurred_at, forgotten_until):
        yield Late(touchpoint)
        return
    if not row.open:
        if row.previous_was_abandoned:
            yield Returned(touchpoint, policy, touchpoint.state == CONVERTED)
        else:
            yield Started(touchpoint, policy)
    yield TouchpointApplied(touchpoint, id_hash)
    if touchpoint.state == CONVERTED:
        yield Converted(touchpoint, _explicit_end(row, touchpoint))
        return
    budget_micros = row.budget_in_force_micros
    if budget_micros is not None and row.total_cost_micros >= budget_micros:
        yield _abandoned_now(row, "BUDGET_EXHAUSTED", touchpoint)
    elif row.policy.fatigue is not None and _is_tired(row):
        yield _abandoned_now(row, "USER_FATIGUE", touchpoint)


def _is_tired(row: Row) -> bool:
    rule = row.policy.fatigue
    if rule is None or row.last_touchpoint_at is None:
        return False
    opens = row.last_touchpoint_at - row.policy.fatigue_window_ms
    return sum(opens < touched for touched in row.touchpoint_times) >= rule.touchpoints


def _decide_registration(
    row: Row, registration: JourneyRegistered, forgotten_until: int | None, policy: Policy
) -> Iterator[Fact]:
    occurred_at = registration.occurred_at
    if _is_late(row, occurred_at, forgotten_until):
        yield Refused(registration, "late")
    elif row.open:
        yield OverridesChanged(registration)
    else:
        yield Started(registration, policy)


def _decide_request(row: Row, request: JourneySignal | JourneyCommand) -> Iterator[Fact]:
    if request.command_id is not None and row.remembers(command_hash(request.command_id)):
        yield Duplicate()
        return
    if not row.open:
        yield Refused(request, _why_not_open(row))
    elif row.late_until is not None and request.occurred_at <= row.late_until:
        yield Refused(request, "late")
    elif isinstance(request, JourneySignal):
        yield _abandoned_now(row, SIGNALS[request.signal], request)
    elif request.command == "extend":
        yield Extended(request)
    else:
        yield _abandoned_now(row, request.reason or "MANUAL_TERMINATION", request)


def _why_not_open(row: Row) -> str:
    if row.late_until is None:
        return "unknown_journey"
    return "already_abandoned" if row.previous_was_abandoned else "already_converted"


def _is_late(row: Row, occurred_at: int, forgotten_until: int | None) -> bool:
    if row.late_until is not None:
        return occurred_at <= row.late_until
    # Unknown, or forgotten: what lies further back than the memory reaches opens nothing.
    return not row.open and forgotten_until is not None and occurred_at <= forgotten_until


def _explicit_end(row: Row, record: Touchpoint | JourneySignal | JourneyCommand) -> int:
    return max(record.occurred_at, row.last_activity_at)


def _abandoned_now(row: Row, reason: str, cause: Touchpoint | JourneySignal | JourneyCommand) -> Abandoned:
    ended_at = _explicit_end(row, cause)
    # Inclusive: a record at exactly the end is late.
    return Abandoned(reason, ended_at, ended_at, cause)
