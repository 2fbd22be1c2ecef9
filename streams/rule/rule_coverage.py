"""Which deadline rules of a policy decide nothing, because they can never hold or earlier rules always come first.

The journeys for which a rule holds are a box: states, times segments, times an interval of touchpoints. What earlier
rules leave of it is that box with theirs taken out of it; where nothing is left, the rule decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple, Self

from journeys.schemas.records import CONVERTED, STATES
from journeys.streams.rule.deadlines import Conditions, Deadlines

_OPEN_STATES: Final = frozenset(STATES) - {CONVERTED}
_NO_END: Final = 2**63
# Boxes that are left of one rule. Beyond that many, nothing is said of it: it holds somewhere, most likely.
_MOST_BOXES: Final = 2_000


class IdleRule(NamedTuple):
    """A rule that never decides a duration which it gives (`inactivity_hours` or `timeout_days`).

    `behind` names earlier rules that come first wherever it holds; empty where it can hold for no journey.
    """

    name: str
    duration: str
    behind: tuple[str, ...]


class _Segments(NamedTuple):
    """Segments of a list, or all that are not on it; a journey without one is of none on any list."""

    names: frozenset[str]
    is_all_but: bool

    def both(self, other: Self) -> _Segments:
        if self.is_all_but and other.is_all_but:
            return _Segments(self.names | other.names, is_all_but=True)
        if self.is_all_but:
            return _Segments(other.names - self.names, is_all_but=False)
        return _Segments(self.names - other.names if other.is_all_but else self.names & other.names, is_all_but=False)

    def others(self) -> _Segments:
        return _Segments(self.names, not self.is_all_but)

    @property
    def is_empty(self) -> bool:
        return not self.names and not self.is_all_but


class _Box(NamedTuple):
    """States, segments, and touchpoints from the one up to the other, inclusive."""

    states: frozenset[str]
    segments: _Segments
    least: int
    most: int

    @classmethod
    def of(cls, conditions: Conditions) -> _Box:
        segments = conditions.segments
        return cls(
            _OPEN_STATES if conditions.states is None else conditions.states,
            _Segments(frozenset(), is_all_but=True) if segments is None else _Segments(segments, is_all_but=False),
            conditions.touchpoints_from,
            _NO_END if conditions.touchpoints_to is None else conditions.touchpoints_to,
        )

    @property
    def is_empty(self) -> bool:
        return not self.states or self.segments.is_empty or self.least > self.most

    def without(self, other: _Box) -> Iterator[_Box]:
        """Boxes that together are this one without what is in the other, too."""
        states, segments = self.states & other.states, self.segments.both(other.segments)
        least, most = max(self.least, other.least), min(self.most, other.most)
        pieces = (
            self._replace(states=self.states - other.states),
            _Box(states, self.segments.both(other.segments.others()), self.least, self.most),
            _Box(states, segments, self.least, min(self.most, other.least - 1)),
            _Box(states, segments, max(self.least, other.most + 1), self.most),
        )
        if _Box(states, segments, least, most).is_empty:
            yield self
            return
        yield from (piece for piece in pieces if not piece.is_empty)


# Without a touchpoint an episode is UNAWARE.
_IMPOSSIBLE: Final = _Box(_OPEN_STATES - {"UNAWARE"}, _Segments(frozenset(), is_all_but=True), 0, 0)


def idle_rules(deadlines: Deadlines) -> list[IdleRule]:
    """Rules that never decide a duration which they give, in their order."""
    found = []
    for place, rule in enumerate(deadlines.by):
        for duration in ("inactivity_hours", "timeout_days"):
            if getattr(rule, duration) is None:
                continue
            left = _left_of([_Box.of(rule.conditions)], _IMPOSSIBLE)
            behind = []
            for other in deadlines.by[:place]:
                if getattr(other, duration) is None:
                    continue
                before, left = left, _left_of(left, _Box.of(other.conditions))
                if left != before:
                    behind.append(other.name)
            if not left:
                found.append(IdleRule(rule.name, duration, tuple(behind)))
    return found


def _left_of(boxes: list[_Box], other: _Box) -> list[_Box]:
    return boxes if len(boxes) > _MOST_BOXES else [piece for box in boxes for piece in box.without(other)]
