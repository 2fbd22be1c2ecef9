"""One row out of columns, for whoever decides by single rows, and back into them."""

from __future__ import annotations

import numpy as np

from journeys.schemas.arrays import NONE, number_or_none
from journeys.schemas.records import STATES
from journeys.streams.journey_columns import NO_OUTCOME, NULLABLE, NUMBERS, OUTCOMES, PLAIN, JourneyColumns
from journeys.streams.rule.row import HASH_BYTES, REMEMBERED_IDS, Row


def row_of(columns: JourneyColumns, slot: int) -> Row:
    """Row of a slot, made anew."""
    row = Row(columns.journey_id[slot].decode(), columns.policies.numbered[columns.policy[slot]])
    for name in PLAIN:
        setattr(row, name, getattr(columns, name).item(slot))
    for name in NULLABLE:
        value = getattr(columns, name).item(slot)
        setattr(row, name, None if value == NONE else value)
    for name in NUMBERS:
        setattr(row, name, number_or_none(getattr(columns, name)[slot]))
    row.open, row.is_return = bool(columns.open[slot]), bool(columns.is_return[slot])
    row.state = STATES[columns.state[slot]]
    outcome = columns.previous_outcome[slot]
    row.previous_outcome = None if outcome == NO_OUTCOME else OUTCOMES[outcome]
    user_id, action_id = columns.user_id[slot], columns.action_id[slot]
    row.user_id = None if user_id is None else user_id.decode()
    row.action_id = None if action_id is None else action_id.decode()
    row.touchpoint_policy_version = columns.touchpoint_policy_version[slot]
    row.touchpoint_times = columns.touchpoint_times.get(slot, ())
    row.recent_ids = _remembered(columns, slot)
    if row.open:
        row.derive()
    return row


def _remembered(columns: JourneyColumns, slot: int) -> bytes:
    count = int(columns.id_count[slot])
    ids = columns.recent_ids[slot]
    in_order = np.roll(ids, -count) if count >= REMEMBERED_IDS else ids[:count]
    hashes: bytes = in_order.astype(">u8").tobytes()
    return hashes


def put_row(columns: JourneyColumns, slot: int, row: Row) -> None:
    """Take all fields of a row."""
    columns.row_count += not columns.exists[slot]
    columns.open_count += row.open - int(columns.open[slot])
    columns.exists[slot] = True
    for name in PLAIN:
        getattr(columns, name)[slot] = getattr(row, name)
    for name in NULLABLE:
        value = getattr(row, name)
        getattr(columns, name)[slot] = NONE if value is None else value
    for name in NUMBERS:
        getattr(columns, name)[slot] = getattr(row, name)  # None comes to NaN
    columns.open[slot], columns.is_return[slot] = row.open, row.is_return
    columns.state[slot] = STATES.index(row.state)
    outcome = row.previous_outcome
    columns.previous_outcome[slot] = NO_OUTCOME if outcome is None else OUTCOMES.index(outcome)
    columns.policy[slot] = columns.policies.number_of(row.policy)
    columns.user_id[slot] = None if row.user_id is None else row.user_id.encode()
    columns.action_id[slot] = None if row.action_id is None else row.action_id.encode()
    columns.touchpoint_policy_version[slot] = row.touchpoint_policy_version
    if row.touchpoint_times:
        columns.touchpoint_times[slot] = row.touchpoint_times
    else:
        columns.touchpoint_times.pop(slot, None)
    ids = np.frombuffer(row.recent_ids, ">u8")
    columns.recent_ids[slot, : len(ids)] = ids
    columns.recent_ids[slot, len(ids) :] = 0
    columns.id_count[slot] = len(row.recent_ids) // HASH_BYTES
    columns.lasts_ms[slot], columns.inactivity_in_force_ms[slot] = row.lasts_ms, row.inactivity_in_force_ms
    columns.is_watched[slot] = row.open and row.policy.keeps_touchpoint_times
