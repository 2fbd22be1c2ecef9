"""What must come of the input, by the pure core; every system is held to the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from journeys.agents.kafka.log_reader import open_log
from journeys.agents.settings.settings import Settings
from journeys.schemas.codec import Codec
from journeys.schemas.instants import DAY_MS, HOUR_MS
from journeys.schemas.partitioner import partition_of
from journeys.schemas.records import Touchpoint
from journeys.schemas.topics import DEFAULT_PARTITION_COUNT, JOURNEY_ABANDONMENTS
from journeys.streams.partition.driver import replay_unpunctuated

# The slowest look of any system for silent journeys is each hour of event time.
_GRANULARITY_MS: Final = HOUR_MS
COMPARED: Final = (
    "journey_id",
    "user_id",
    "abandonment_reason",
    "state",
    "started_at",
    "last_touchpoint_at",
    "abandoned_at",
    "days_active",
    "touchpoint_count",
    "total_cost_micros",
    "conversion_probability",
    "conversion_value_micros",
    "penalty_amount_micros",
    "opportunity_cost_micros",
    "total_penalty_micros",
    "state_weight",
    "time_factor",
    "reason_multiplier",
    "formula_version",
    "policy_version",
    "terminated",
    "truncated",
)
"""All but when it was detected, provenance, and what says which ad bid it was."""


class Reference:
    """Every abandonment that the touchpoints lead to, and which of them are due when the input ends.

    Time goes on as far as the input brings it, and for some systems that is the time of the partition that ends
    first. So what lies before that instant, less the granularity of timers, is required. What is published of
    the rest has to be right as well.
    """

    def __init__(self, abandonments: Mapping[str, Mapping[str, Any]], horizon: int) -> None:
        self.horizon = horizon
        self._expected = {key: _compared(fields) for key, fields in abandonments.items()}
        self._required = {key for key, fields in abandonments.items() if fields["abandoned_at"] <= horizon}

    @classmethod
    def of(cls, touchpoints: Sequence[Touchpoint], partition_count: int = DEFAULT_PARTITION_COUNT) -> Reference:
        """Replay touchpoints in order of time."""
        by_partition: defaultdict[int, list[tuple[int, Touchpoint]]] = defaultdict(list)
        for number, touchpoint in enumerate(touchpoints):
            by_partition[partition_of(touchpoint.journey_id.encode(), partition_count)].append((number, touchpoint))
        abandonments = {
            abandonment.abandonment_id: abandonment._asdict()
            for numbered in by_partition.values()
            for effects in replay_unpunctuated(numbered, until=numbered[-1][1].occurred_at + 91 * DAY_MS)
            for abandonment in effects.abandonments
        }
        ends_at = min(numbered[-1][1].occurred_at for numbered in by_partition.values())
        return cls(abandonments, ends_at - _GRANULARITY_MS)

    @property
    def required(self) -> int:
        """How many abandonments must be there."""
        return len(self._required)

    def disagreement(self, published: Sequence[Mapping[str, Any]]) -> str:
        """What is wrong with the abandonments that a system published; an empty text if nothing is."""
        said = {fields["abandonment_id"]: _compared(fields) for fields in published}
        missing = len(self._required - said.keys())
        unknown = len(said.keys() - self._expected.keys())
        different = [key for key, fields in said.items() if self._expected.get(key, fields) != fields]
        twice = len(published) - len(said)
        if not (missing or unknown or different or twice):
            return ""
        text = (
            f"{len(published)} abandonments for {self.required} required: {missing} missing, {unknown} unknown, "
            f"{len(different)} different, {twice} published twice"
        )
        return f"{text}; {self._difference(different[0], said)}" if different else text

    def _difference(self, key: str, said: Mapping[str, tuple[Any, ...]]) -> str:
        names = [
            f"{name} {there!r} instead of {expected!r}"
            for name, there, expected in zip(COMPARED, said[key], self._expected[key], strict=True)
            if there != expected
        ]
        return f"{key} has {', '.join(names)}"


async def published_abandonments(settings: Settings) -> list[dict[str, Any]]:
    """Fields of all that is on the output topic by now."""
    codec = Codec()
    found: list[dict[str, Any]] = []
    async with open_log(settings, JOURNEY_ABANDONMENTS, catalog=None) as log:
        for number in range(log.partition_count):
            async for batch in log.read_partition(number):
                found += codec.decode_all_fields("JourneyAbandoned", [record.value for record in batch.records])
    return found


def _compared(fields: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(fields[name] for name in COMPARED)
