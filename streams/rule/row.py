"""The row of one journey: what is stored of it, and what follows from that under its policy."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from struct import pack, unpack
from typing import Any, Final

from journeys.schemas.columns import PackedLongs
from journeys.schemas.identity import abandonment_id
from journeys.schemas.records import CONVERTED
from journeys.streams.rule.policy import MOST_REMEMBERED_IDS, Policy

UNKNOWN_OFFSET: Final = -1
HASH_BYTES: Final = 8

STORED: Final = (
    "offset",
    "record_offset",
    "open",
    "policy_version",
    "timeout_ms",
    "inactivity_ms",
    "budget_micros",
    "recent_ids",
    "user_id",
    "started_at",
    "last_activity_at",
    "last_touchpoint_at",
    "state",
    "touchpoint_count",
    "total_cost_micros",
    "conversion_probability",
    "conversion_value_micros",
    "extended_by_ms",
    "action_id",
    "touchpoint_policy_version",
    "propensity",
    "touchpoint_times",
    "is_return",
    "previous_started_at",
    "previous_ended_at",
    "late_until",
    "previous_outcome",
    "previous_total_penalty_micros",
    "cleanup_at",
)


class _AtEachTouchpoint:
    """Fields that each touchpoint looks at or changes. So they lie side by side in memory, in front of all others."""

    __slots__ = (
        "armed_at",
        "conversion_probability",
        "conversion_value_micros",
        "inactivity_in_force_ms",
        "is_watched",
        "last_activity_at",
        "last_touchpoint_at",
        "lasts_ms",
        "late_until",
        "offset",
        "open",
        "policy",
        "recent_ids",
        "record_offset",
        "started_at",
        "state",
        "total_cost_micros",
        "touchpoint_count",
    )


class Row(_AtEachTouchpoint):
    """One journey. Mutable and private to its partition; only `evolve` changes what is stored.

    Fields are those of journey_row.avsc, and beside them, derived: `policy` of the episode,
    `inactivity_in_force_ms`, `lasts_ms` (until the timeout; both 0 while none is open), `is_watched` (a rule looks at
    each touchpoint, or wants to know its time), and `armed_at`, under which the journey stands in the deadline index
    (None where it does not).
    """

    __slots__ = ("journey_id", *(field for field in STORED if field not in _AtEachTouchpoint.__slots__))

    offset: int
    record_offset: int
    open: bool
    policy_version: str
    timeout_ms: int | None
    inactivity_ms: int | None
    budget_micros: int | None
    recent_ids: bytes
    user_id: str | None
    started_at: int
    last_activity_at: int
    last_touchpoint_at: int | None
    state: str
    touchpoint_count: int
    total_cost_micros: int
    conversion_probability: float | None
    conversion_value_micros: int | None
    extended_by_ms: int
    action_id: str | None
    touchpoint_policy_version: str | None
    propensity: float | None
    touchpoint_times: tuple[int, ...]
    is_return: bool
    previous_started_at: int | None
    previous_ended_at: int | None
    late_until: int | None
    previous_outcome: str | None
    previous_total_penalty_micros: int | None
    cleanup_at: int | None

    def __init__(self, journey_id: str, policy: Policy) -> None:
        self.journey_id = journey_id
        self.policy = policy
        self.policy_version = policy.version
        self.armed_at: int | None = None
        self.offset = self.record_offset = UNKNOWN_OFFSET
        self.timeout_ms = self.inactivity_ms = self.budget_micros = None
        self.recent_ids = b""
        self.previous_started_at = self.previous_ended_at = self.late_until = None
        self.previous_outcome = self.previous_total_penalty_micros = self.cleanup_at = None
        self.clear_episode()

    def clear_episode(self) -> None:
        """Set the episode's fields as they are while none is open."""
        self.open = False
        self.user_id = self.last_touchpoint_at = None
        self.started_at = self.last_activity_at = 0
        self.state = "UNAWARE"
        self.touchpoint_count = self.total_cost_micros = self.extended_by_ms = 0
        self.conversion_probability = self.conversion_value_micros = None
        self.action_id = self.touchpoint_policy_version = self.propensity = None
        self.touchpoint_times = ()
        self.is_return = False
        self.inactivity_in_force_ms = self.lasts_ms = 0
        self.is_watched = False

    def derive(self) -> None:
        """Recompute what follows from overrides, extensions and the policy."""
        policy = self.policy
        self.inactivity_in_force_ms = policy.inactivity_ms if self.inactivity_ms is None else self.inactivity_ms
        self.is_watched = policy.keeps_touchpoint_times or self.budget_in_force_micros is not None
        timeout_ms = policy.timeout_ms if self.timeout_ms is None else self.timeout_ms
        self.lasts_ms = min(timeout_ms + self.extended_by_ms, policy.max_journey_duration_ms)

    @property
    def timeout_deadline_at(self) -> int:
        """Instant at which the open episode is abandoned whatever comes."""
        return self.started_at + self.lasts_ms

    @property
    def deadline_at(self) -> int:
        """Instant at which the open episode is abandoned if nothing more comes."""
        inactive_at = self.last_activity_at + self.inactivity_in_force_ms
        timeout_at = self.started_at + self.lasts_ms
        # Asked for every record: a call to min costs three times as much.
        return timeout_at if timeout_at <= inactive_at else inactive_at  # noqa: FURB136

    @property
    def cap_at(self) -> int:
        """Instant beyond which no extension reaches."""
        return self.started_at + self.policy.max_journey_duration_ms

    @property
    def budget_in_force_micros(self) -> int | None:
        """Budget of the episode: the journey's, else the policy's, else none."""
        return self.policy.budget_micros if self.budget_micros is None else self.budget_micros

    @property
    def previous_was_abandoned(self) -> bool:
        """Whether the last ended episode was an abandonment."""
        return self.previous_outcome is not None and self.previous_outcome != CONVERTED

    @property
    def previous_abandonment_id(self) -> str | None:
        """Id of the last ended episode's abandonment, if it was one."""
        if not self.previous_was_abandoned or self.previous_started_at is None:
            return None
        return abandonment_id(self.journey_id, self.previous_started_at)

    def remembers(self, id_hash: bytes) -> bool:
        """Whether the id is among those of the last records applied."""
        found = self.recent_ids.find(id_hash)
        while found >= 0:
            if found % HASH_BYTES == 0:
                return True
            found = self.recent_ids.find(id_hash, found + 1)
        return False

    def remember(self, id_hash: bytes) -> None:
        """Add the id of an applied record; the oldest of more than the policy's number goes."""
        self.recent_ids = (self.recent_ids + id_hash)[-self.policy.remembered_ids * HASH_BYTES :]

    def stored(self) -> dict[str, Any]:
        """Fields of journey_row.avsc."""
        fields = {field: getattr(self, field) for field in STORED}
        fields["recent_ids"] = hashes_to_longs(self.recent_ids)
        return fields

    @classmethod
    def of_stored(cls, journey_id: str, fields: dict[str, Any], policy: Policy) -> Row:
        """Row of the fields that `stored` gave, under the policy that they name."""
        row = cls(journey_id, policy)
        for field in STORED:
            setattr(row, field, fields[field])
        row.recent_ids = longs_to_hashes(fields["recent_ids"])
        row.touchpoint_times = tuple(fields["touchpoint_times"])
        if row.open:
            row.derive()
        return row


def stored_columns(rows: Sequence[Row]) -> list[Sequence[Any]]:
    """Fields of journey_row.avsc of many rows, as columns in the schema's order."""
    columns: list[Sequence[Any]] = list(zip(*map(_stored_fields, rows), strict=True))
    columns[_RECENT_IDS] = PackedLongs(columns[_RECENT_IDS])
    return columns


def hashes_to_longs(hashes: bytes) -> list[int]:
    """Remembered ids as Avro has them."""
    return list(unpack(_LONGS[len(hashes) // HASH_BYTES], hashes))


def longs_to_hashes(longs: Sequence[int]) -> bytes:
    """Remembered ids as a row holds them."""
    return pack(_LONGS[len(longs)], *longs)


_stored_fields = attrgetter(*STORED)
_RECENT_IDS: Final = STORED.index("recent_ids")
_LONGS: Final = tuple(f">{count}q" for count in range(MOST_REMEMBERED_IDS + 1))
