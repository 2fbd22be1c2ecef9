"""The schedule of blows: what strikes whom and when. The same seed and form give the same schedule."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final, Literal, NamedTuple

Kind = Literal["kill", "freeze", "thaw", "join", "leave", "broker crash", "broker outage", "broker back"]
BROKER: Final = "broker"
RESIDENTS: Final = ("worker-a", "worker-b")
GUEST: Final = "worker-c"
# Longer than the session of 6 s and the heartbeats around it.
_FROZEN_SECONDS: Final = 9.0
_CRASHED_SECONDS: Final = 2.0
_STORM_SECONDS: Final = (5.0, 8.0)


class Blow(NamedTuple):
    """One blow, `at` seconds after the load began."""

    at: float
    kind: Kind
    target: str


@dataclass(frozen=True, slots=True)
class Form:
    """How much of everything: kills one at a time, kills in a storm, then all kinds in any order."""

    settle_seconds: float
    quiet_seconds: float
    """Between kills one at a time: long enough for each to be over, whatever the group does about it."""
    mixed_seconds: tuple[float, float]
    """Between blows of all kinds."""
    single_kills: int
    storm_kills: int
    mixed_kills: int
    freezes: int
    broker_crashes: int
    visits: int
    """A third worker joins, and leaves later."""
    outage_seconds: float | None
    touchpoints_per_second: float
    inactivity_seconds: float
    """Inactivity threshold; the other deadlines and the pace of the journeys shrink with it."""


SHORT: Final = Form(
    settle_seconds=3,
    quiet_seconds=6,
    mixed_seconds=(1, 3),
    single_kills=0,
    storm_kills=1,
    mixed_kills=0,
    freezes=1,
    broker_crashes=1,
    visits=1,
    outage_seconds=None,
    touchpoints_per_second=400,
    inactivity_seconds=6,
)
STORM: Final = Form(
    settle_seconds=10,
    quiet_seconds=12,
    mixed_seconds=(3, 10),
    single_kills=10,
    storm_kills=16,
    mixed_kills=0,
    freezes=0,
    broker_crashes=0,
    visits=0,
    outage_seconds=None,
    touchpoints_per_second=800,
    inactivity_seconds=30,
)
LONG: Final = Form(
    settle_seconds=10,
    quiet_seconds=12,
    mixed_seconds=(3, 10),
    single_kills=20,
    storm_kills=32,
    mixed_kills=6,
    freezes=4,
    broker_crashes=3,
    visits=5,
    outage_seconds=60,
    touchpoints_per_second=800,
    inactivity_seconds=60,
)


class Schedule(NamedTuple):
    """All blows in order, the span of the storm, and when the load ends; seconds after the load began."""

    blows: list[Blow]
    storm: tuple[float, float]
    ends_at: float


def make_schedule(form: Form, seed: int) -> Schedule:
    """Make the schedule of a form; only `seed` decides what the form leaves open."""
    random = Random(seed)
    blows: list[Blow] = []
    now = form.settle_seconds
    for _ in range(form.single_kills):
        blows.append(Blow(now, "kill", random.choice(RESIDENTS)))
        now += form.quiet_seconds
    storm_begins = now
    for _ in range(form.storm_kills):
        blows.append(Blow(now, "kill", random.choice(RESIDENTS)))
        now += random.uniform(*_STORM_SECONDS)
    storm = (storm_begins, now)
    kinds = [
        *["kill"] * form.mixed_kills,
        *["freeze"] * form.freezes,
        *["broker crash"] * form.broker_crashes,
        *["visit"] * (2 * form.visits),
        *(["broker outage"] if form.outage_seconds else []),
    ]
    random.shuffle(kinds)
    guest_is_here = False
    for kind in kinds:
        present = (*RESIDENTS, GUEST) if guest_is_here else RESIDENTS
        now += random.uniform(*form.mixed_seconds)
        if kind == "visit":
            blows.append(Blow(now, "leave" if guest_is_here else "join", GUEST))
            guest_is_here = not guest_is_here
        elif kind == "kill":
            blows.append(Blow(now, "kill", random.choice(present)))
        elif kind == "freeze":
            victim = random.choice(present)
            blows.append(Blow(now, "freeze", victim))
            now += _FROZEN_SECONDS
            blows.append(Blow(now, "thaw", victim))
        elif kind == "broker crash":
            blows.append(Blow(now, "broker crash", BROKER))
            now += _CRASHED_SECONDS
            blows.append(Blow(now, "broker back", BROKER))
        else:
            blows.append(Blow(now, "broker outage", BROKER))
            now += form.outage_seconds or 0.0
            blows.append(Blow(now, "broker back", BROKER))
    return Schedule(blows, storm, now + form.settle_seconds)
