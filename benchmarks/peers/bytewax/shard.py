"""The journeys of one partition, with their deadlines.

Bytewax fires timers by the clock on the wall, which says nothing in a replay. So its state is kept by partition, not by
journey: a shard holds the journeys of one and a heap of deadlines in event time.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush, heapreplace
from typing import Any, Final, NamedTuple, TypeAlias

from benchmarks.peers.bytewax.episode import Episode
from journeys.schemas.records import CONVERTED

_NEVER: Final = 1 << 62
Stored: TypeAlias = tuple[dict[str, tuple[Any, ...]], list[tuple[int, str, int]]]


class Ended(NamedTuple):
    """An episode that its deadline ended; detected_at in epoch milliseconds of event time."""

    journey_id: str
    episode: Episode
    detected_at: int


class Shard:
    """The rule, for touchpoints that come once and in order of time.

    The heap is lazy: an episode has one entry, looked at again when it comes up. An entry names its episode by
    its start, so that the entry of one that has ended falls out.
    """

    def __init__(self, stored: Stored | None = None) -> None:
        episodes, heap = ({}, []) if stored is None else stored
        self._episodes = {journey_id: Episode.restored(fields) for journey_id, fields in episodes.items()}
        self._heap = list(heap)

    def apply(self, rows: Iterable[tuple[Any, ...]]) -> list[Ended]:
        """Take touchpoints as (journey_id, user_id, occurred_at, state, cost, probability, value)."""
        episodes, heap = self._episodes, self._heap
        ended: list[Ended] = []
        next_at = heap[0][0] if heap else _NEVER
        for journey_id, user_id, occurred_at, state, cost_micros, probability, value_micros in rows:
            if next_at <= occurred_at:
                next_at = self._end_due(occurred_at, ended)
            episode = episodes.get(journey_id)
            if state == CONVERTED:
                if episode is not None:
                    del episodes[journey_id]
                continue
            if episode is None:
                episode = episodes[journey_id] = Episode(user_id, occurred_at)
                deadline_at = episode.deadline_at
                heappush(heap, (deadline_at, journey_id, occurred_at))
                next_at = min(next_at, deadline_at)
            episode.last_activity_at = occurred_at
            episode.touchpoint_count += 1
            episode.total_cost_micros += cost_micros
            if state is not None:
                episode.state = state
            if probability is not None:
                episode.conversion_probability = probability
            if value_micros is not None:
                episode.conversion_value_micros = value_micros
        return ended

    def stored(self) -> Stored:
        """A copy that a new shard can be made of: Bytewax writes it while this one goes on."""
        return {journey_id: episode.stored() for journey_id, episode in self._episodes.items()}, list(self._heap)

    def _end_due(self, now: int, ended: list[Ended]) -> int:
        """End what is due by `now`; gives the next instant to look at."""
        episodes, heap = self._episodes, self._heap
        while heap and heap[0][0] <= now:
            _, journey_id, started_at = heap[0]
            episode = episodes.get(journey_id)
            if episode is None or episode.started_at != started_at:
                heappop(heap)
            elif (deadline_at := episode.deadline_at) > now:
                heapreplace(heap, (deadline_at, journey_id, started_at))
            else:
                heappop(heap)
                del episodes[journey_id]
                ended.append(Ended(journey_id, episode, now))
        return heap[0][0] if heap else _NEVER
