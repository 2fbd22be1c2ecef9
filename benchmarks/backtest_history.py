"""History for the backtest benchmark: generated touchpoints as one Parquet file, in order of arrival."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow.parquet import ParquetWriter

from journeys.agents.demo.load_generator import Shares, generate

TOUCHPOINTS_PER_JOURNEY = 10
IN_ORDER = Shares(0, 0, 0)
_ROWS = 131_072
_SCHEMA = pa.schema(
    [
        ("journey_id", pa.string()),
        ("user_id", pa.string()),
        ("occurred_at", pa.int64()),
        ("touchpoint_id", pa.string()),
        ("channel", pa.string()),
        ("event_type", pa.string()),
        ("state", pa.string()),
        ("cost_micros", pa.int64()),
        ("conversion_probability", pa.float64()),
        ("conversion_value", pa.float64()),
        ("action_id", pa.string()),
        ("policy_version", pa.string()),
        ("propensity", pa.float64()),
    ]
)


def write_history(path: Path, touchpoints: int, seed: int, shares: Shares) -> int:
    """Write about so many touchpoints of a tenth of so many journeys; gives how many lines there are."""
    lines = _typed(generate(touchpoints // TOUCHPOINTS_PER_JOURNEY, seed, shares=shares))
    written = 0
    with ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
        while rows := list(islice(lines, _ROWS)):
            columns = [pa.array([row.get(field.name) for row in rows], field.type) for field in _SCHEMA]
            writer.write_table(pa.Table.from_arrays(columns, schema=_SCHEMA))
            written += len(rows)
    return written


def _typed(lines: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for line in lines:
        whole, part = line["cost"].split(".")
        line["cost_micros"] = int(whole) * 1_000_000 + int(part) * 100
        value = line.get("conversion_value")
        if value is not None:
            line["conversion_value"] = float(value)
        yield line
