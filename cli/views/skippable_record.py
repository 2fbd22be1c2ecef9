"""A record that is about to be skipped, for people and for --json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from journeys.schemas.instants import format_instant

if TYPE_CHECKING:
    from journeys.agents.inspect.offset_skip import SkippableRecord


def record_lines(record: SkippableRecord) -> list[str]:
    """What is known of it without decoding it, which may be what nobody survives."""
    key = "none" if record.key is None else repr(record.key.decode("utf-8", "backslashreplace"))
    return [
        f"record       {record.place}",
        f"appended at  {format_instant(record.appended_at)}",
        f"key          {key}",
        f"value        {record.value_size:,} bytes, the first: {record.first_bytes.hex(' ') or 'none'}",
    ]


def record_json(record: SkippableRecord, mark_offset: int) -> dict[str, Any]:
    """The same with the offset of its mark, and whether that was there before."""
    return {
        "record": str(record.place),
        "appended_at": format_instant(record.appended_at),
        "key_hex": None if record.key is None else record.key.hex(),
        "bytes": record.value_size,
        "mark_offset": mark_offset,
        "skipped_before": record.skipped_by is not None,
    }
