"""How often workers have begun at one place of a partition, and when what lies there is to be tried."""

from __future__ import annotations

from typing import Final

from journeys.schemas.rows import StartRow

_STARTS_BEFORE_A_TRIAL: Final = 4


def next_start(earlier: StartRow | None, position: int) -> StartRow:
    """Note of a worker that begins at an input offset, behind the last note that the table has."""
    starts = earlier.starts if earlier is not None and earlier.offset == position else 0
    return StartRow(position, starts + 1)


def is_trial_due(start: StartRow) -> bool:
    """Whether so many have begun there before that the records are to be tried: after 4, 8, 16 and so on.

    Not sooner, and not at each start: workers that end for another reason are not to be held up.
    """
    earlier = start.starts - 1
    return earlier >= _STARTS_BEFORE_A_TRIAL and earlier & (earlier - 1) == 0
