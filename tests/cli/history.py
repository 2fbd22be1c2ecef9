"""A small history whose outcome is worked out by hand.

- `silent` is seen twice, for 25 dollars in state AWARE, the last time on January 3: INACTIVITY on January 6,
  after 5 days. 25 * (0.15 + 0.2) * (1 - 0.8 ** 5) * 0.8 = 4.706240; 0.25 * 0.05 * 90 = 1.125000.
- `lost` spends 150 dollars in state INTENT until a signal on January 8, after 7 days: COMPETITOR_CONVERSION.
  150 * (0.15 + 0.8) * (1 - 0.8 ** 7) * 1.5 = 168.923376; 0.25 * 0.5 * 90 = 11.250000.
- `bought` converts.
"""

import json
from pathlib import Path
from typing import Any

Line = dict[str, Any]


def touch(journey_id: str, day: int, cost: float, state: str, **more: Any) -> Line:
    """Make a touchpoint on a day of January 2026, at midnight."""
    return {
        "journey_id": journey_id,
        "user_id": f"user-{journey_id}",
        "touchpoint_id": f"{journey_id}-{day}",
        "occurred_at": f"2026-01-{day:02}T00:00:00Z",
        "cost": cost,
        "state": state,
    } | more


AWARE = {"conversion_probability": 0.05, "conversion_value": 90}
INTENT = {"conversion_probability": 0.5, "conversion_value": 90}
TOUCHPOINTS = [
    touch("silent", 1, 10, "AWARE", **AWARE),
    touch("lost", 1, 100, "INTENT", **INTENT),
    touch("bought", 2, 3.5, "INTENT"),
    touch("silent", 3, 15, "AWARE", **AWARE),
    touch("lost", 3, 50, "INTENT"),
    touch("bought", 3, 0, "CONVERTED", conversion_value=64.9),
    touch("lost", 5, 0, "INTENT"),
    touch("lost", 7, 0, "INTENT"),
]
SIGNAL = {
    "kind": "signal",
    "journey_id": "lost",
    "occurred_at": "2026-01-08T00:00:00Z",
    "signal": "competitor_conversion",
    "command_id": "market-1",
}
HISTORY = [*TOUCHPOINTS, SIGNAL]

SILENT_ENDED = "2026-01-06T00:00:00.000Z"
SILENT = {
    "journey_id": "silent",
    "user_id": "user-silent",
    "abandonment_reason": "INACTIVITY",
    "state": "AWARE",
    "started_at": "2026-01-01T00:00:00.000Z",
    "last_touchpoint_at": "2026-01-03T00:00:00.000Z",
    "abandoned_at": SILENT_ENDED,
    "days_active": 5,
    "touchpoint_count": 2,
    "total_cost_micros": 25_000_000,
    "conversion_probability": 0.05,
    "conversion_value_micros": 90_000_000,
    "penalty_amount_micros": 4_706_240,
    "opportunity_cost_micros": 1_125_000,
    "total_penalty_micros": 5_831_240,
    "state_weight": 0.2,
    "time_factor": 0.67232,
    "reason_multiplier": 0.8,
    "formula_version": 1,
    "policy_version": "default-1",
    "terminated": False,
    "truncated": True,
    "command_id": None,
}
LOST = {
    "journey_id": "lost",
    "abandonment_reason": "COMPETITOR_CONVERSION",
    "state": "INTENT",
    "started_at": "2026-01-01T00:00:00.000Z",
    "last_touchpoint_at": "2026-01-07T00:00:00.000Z",
    "abandoned_at": "2026-01-08T00:00:00.000Z",
    "detected_at": "2026-01-08T00:00:00.000Z",
    "days_active": 7,
    "touchpoint_count": 4,
    "total_cost_micros": 150_000_000,
    "penalty_amount_micros": 168_923_376,
    "opportunity_cost_micros": 11_250_000,
    "total_penalty_micros": 180_173_376,
    "terminated": True,
    "truncated": False,
    "command_id": "market-1",
}


def write_lines(path: Path, lines: list[Line | str]) -> str:
    """Write JSONL; text is written as it is. Gives the path as an argument."""
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_text("".join(f"{text}\n" for text in texts))
    return str(path)


def read_lines(text: str) -> list[Line]:
    """Objects of JSON lines."""
    return [json.loads(line) for line in text.splitlines()]


def matches(line: Line, expected: Line) -> bool:
    """Whether a line has all that is expected of it."""
    return {field: line.get(field) for field in expected} == expected
