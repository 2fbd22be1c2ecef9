"""Purchases of CDNOW customers, out of the package lifetimes (MIT), as touchpoints: one journey for each customer.

69,659 purchases of 23,570 people who first bought in the first quarter of 1997, until 1998-06-30 (Fader and Hardie
2001). Days without a time of day are read as midnight UTC. Costs are unknown, and 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from journeys.agents.demo.packaged_file import packaged_file

PACKAGE: Final = "lifetimes"
VERSION: Final = "0.11.3"
_FILE: Final = "lifetimes/datasets/CDNOW_master.txt"


def purchases() -> Iterator[dict[str, Any]]:
    """All purchases in order of time, as objects of the JSONL input; raises PackagedFileMissingError.

    touchpoint_id contains the row number, from 1 after the header: a customer may buy twice on a day.
    """
    rows = packaged_file(PACKAGE, VERSION, _FILE).read_text("ascii").splitlines()[1:]
    lines = []
    for number, row in enumerate(rows, start=1):
        customer, day, _, _ = row.split()
        lines.append(
            {
                "kind": "touchpoint",
                "journey_id": f"cdnow-{customer}",
                "occurred_at": f"{day[:4]}-{day[4:6]}-{day[6:]}T00:00:00Z",
                "touchpoint_id": f"cdnow-row-{number}",
                "event_type": "purchase",
                "cost": "0",
            }
        )
    lines.sort(key=lambda line: line["occurred_at"])
    return iter(lines)
