"""What is said twice in history that is read as a whole.

A journey's row remembers a few ids, so that it stays small. A file is read once, and can afford the most that a policy
may say, so that a batch which was delivered twice counts once. A log is another matter: it was decided live.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from journeys.schemas.records import JourneyRecord, Touchpoint
from journeys.streams.rule.policy import DEFAULT_POLICY, MOST_REMEMBERED_IDS, Policy


def remembering_most(policy: Policy | None) -> Policy:
    """The policy (None: the default one) with the greatest number of remembered ids; its version stays."""
    policy = policy or DEFAULT_POLICY
    duplicates = policy.duplicates.model_copy(update={"remembered": MOST_REMEMBERED_IDS})
    return policy.model_copy(update={"duplicates": duplicates})


REMEMBERED_RECORDS: Final = 1_000_000
"""How many records an import remembers the ids of, about 100 MB."""


class Repeats:
    """Recognises touchpoints of the same journey and id among the last ones."""

    def __init__(self, remembered: int = REMEMBERED_RECORDS) -> None:
        self._remembered = remembered
        self._known: set[int] = set()
        self._order: deque[int] = deque()

    def takes(self, record: JourneyRecord) -> bool:
        """Whether a record is new; a touchpoint is remembered then, by 64 bits, as rows remember them."""
        if not isinstance(record, Touchpoint):
            return True
        key = hash((record.journey_id, record.touchpoint_id))
        if key in self._known:
            return False
        self._known.add(key)
        self._order.append(key)
        if len(self._order) > self._remembered:
            self._known.discard(self._order.popleft())
        return True
