"""What a backtest under one policy comes to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from journeys.schemas.records import REASONS, JourneyAbandoned
from journeys.streams.partition.effects import Effects


def _by_reason() -> list[int]:
    return [0] * len(REASONS)


@dataclass(slots=True)
class BacktestTally:
    """Counts and sums: amounts in micros, times in ms, lists by reason in the order of REASONS.

    `returns` are episodes behind an abandonment, which was premature, `returns_converted` those that then converted,
    and `returned_penalty_micros` what those abandonments had cost. `assumed_micros` are the opportunity costs in which
    a default of the policy stood for probability or value. `detection_ms` goes from abandonment to detection,
    `silence_ms` from the last activity to detection.
    """

    journeys: int = 0
    applied: int = 0
    duplicates: int = 0
    late: int = 0
    refused: int = 0
    episodes: int = 0
    open: int = 0
    conversions: int = 0
    returns: int = 0
    returns_converted: int = 0
    returned_penalty_micros: int = 0
    abandonments: list[int] = field(default_factory=_by_reason)
    penalty_micros: list[int] = field(default_factory=_by_reason)
    opportunity_micros: list[int] = field(default_factory=_by_reason)
    assumed_micros: list[int] = field(default_factory=_by_reason)
    detection_ms: int = 0
    detection_ms_most: int = 0
    silence_ms: int = 0

    @property
    def total_penalty_micros(self) -> int:
        """Penalties and opportunity costs of all abandonments."""
        return sum(self.penalty_micros) + sum(self.opportunity_micros)

    def merge(self, other: BacktestTally) -> None:
        """Add what another share of the journeys came to."""
        for name in self.__slots__:
            mine, theirs = getattr(self, name), getattr(other, name)
            if name == "detection_ms_most":
                self.detection_ms_most = max(mine, theirs)
            elif isinstance(mine, list):
                setattr(self, name, [one + more for one, more in zip(mine, theirs, strict=True)])
            else:
                setattr(self, name, mine + theirs)


def tally_of(replayed: Iterable[Effects]) -> BacktestTally:
    """What a replay of history came to; the compiled backtest gives the same of the same history."""
    tally = BacktestTally()
    journeys: set[str] = set()
    for effects in replayed:
        counts = effects.counts
        tally.applied += counts.applied
        tally.duplicates += counts.duplicate
        tally.late += counts.late
        tally.refused += counts.refused
        _add_lifecycle(tally, effects, journeys)
        _add_abandonments(tally, effects)
    tally.journeys = len(journeys)
    tally.open = tally.episodes - tally.conversions - sum(tally.abandonments)
    return tally


def _add_lifecycle(tally: BacktestTally, effects: Effects, journeys: set[str]) -> None:
    for record in effects.lifecycle:
        if record.kind in ("started", "returned"):
            tally.episodes += 1
            journeys.add(record.journey_id)
        if record.kind == "returned":
            tally.returns += 1
            tally.returned_penalty_micros += record.total_penalty_micros or 0
        elif record.kind == "converted":
            tally.conversions += 1
            tally.returns_converted += record.abandonment_id is not None


def assumed_micros(abandonment: JourneyAbandoned) -> int:
    """Its opportunity cost, if a default of the policy stood for probability or value; else 0."""
    is_assumed = abandonment.probability_assumed or abandonment.value_assumed
    return abandonment.opportunity_cost_micros if is_assumed else 0


def _add_abandonments(tally: BacktestTally, effects: Effects) -> None:
    for abandonment in effects.abandonments:
        reason = REASONS.index(abandonment.abandonment_reason)
        tally.abandonments[reason] += 1
        tally.penalty_micros[reason] += abandonment.penalty_amount_micros
        tally.opportunity_micros[reason] += abandonment.opportunity_cost_micros
        tally.assumed_micros[reason] += assumed_micros(abandonment)
        detection_ms = abandonment.detected_at - abandonment.abandoned_at
        tally.detection_ms += detection_ms
        tally.detection_ms_most = max(tally.detection_ms_most, detection_ms)
        last_at = abandonment.started_at if abandonment.last_touchpoint_at is None else abandonment.last_touchpoint_at
        tally.silence_ms += abandonment.detected_at - max(abandonment.started_at, last_at)
