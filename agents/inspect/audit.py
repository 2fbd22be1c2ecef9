"""Audit records: who did what to a journey by hand, when and why, on the lifecycle topic.

The acting program writes them, not the rule: a replay does not give them, and `verify` counts them separately. The
command itself is in the log, too.
"""

from __future__ import annotations

import getpass
from typing import Final, Literal
from uuid import uuid4

from journeys.clock import now_ms
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import JourneyCommand, JourneyLifecycle
from journeys.schemas.validation import LONGEST_NOTE, LONGEST_TEXT

Action = Literal["show", "abandon", "extend", "check", "correct_clock", "skip", "topics_live"]
ALL_JOURNEYS: Final = "*"
"""The journey_id of an action on all journeys."""
_PREFIX: Final = "audited_"


def audit_record(
    action: Action, journey_id: str, requested_by: str | None, note: str | None, command_id: str | None = None
) -> JourneyLifecycle:
    """Record of an action that is done now; without `requested_by` it names the user of this process.

    Raises InvalidRecordError for a text that is too long for a record.
    """
    for field, text in (("journey_id", journey_id), ("requested_by", requested_by), ("note", note)):
        longest = LONGEST_NOTE if field == "note" else LONGEST_TEXT
        if text is not None and len(text) > longest:
            raise InvalidRecordError(field, f"{len(text)} characters", f"at most {longest} characters")
    now = now_ms()
    return JourneyLifecycle(
        lifecycle_id=uuid4().hex,
        kind=f"{_PREFIX}{action}",
        journey_id=journey_id,
        user_id=None,
        occurred_at=now,
        detected_at=now,
        command_id=command_id,
        requested_by=requested_by or getpass.getuser(),
        note=note,
    )


def audit_of(command: JourneyCommand) -> JourneyLifecycle:
    """Audit record of a command."""
    action: Action = "abandon" if command.command == "abandon" else "extend"
    return audit_record(action, command.journey_id, command.requested_by, command.note, command.command_id)


def is_audit(kind: str) -> bool:
    """Whether a lifecycle record of this kind is an audit record."""
    return kind.startswith(_PREFIX)
