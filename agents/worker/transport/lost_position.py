"""Says why the record that a worker has to apply next is not in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faust.types import TP


def lost_position(tp: TP, position: int, first: int, end: int) -> str | None:
    """What happened to the record at `position`, and what to do; None for a position within the log or at its end.

    The log of a partition has the offsets from `first` up to and without `end`.
    """
    place = f"{tp.topic}[{tp.partition}]"
    if position > end:
        return (
            f"{place} ends at offset {end}, the table has applied it up to {position - 1}: the topic was deleted and "
            "created again, cut, or brought back from an older state; stop all workers and start them with a new "
            "JOURNEYS_APPLICATION_ID, which reads what is left from its beginning into a new table (docs/topics.md)"
        )
    if position >= first:
        return None
    needed = (
        f"the table needs {position}: records were deleted before they were applied"
        if position
        else "there is no table of what stood before: it can't be made anew without those records"
    )
    return (
        f"{place} begins at offset {first}, {needed}. Bring them back from a copy of the topic; if they are lost for "
        "good, `journeys check --rebuild --without-deleted-records --note WHY` makes a table of what is left, which "
        "`journeys verify` can't prove (docs/topics.md)"
    )
