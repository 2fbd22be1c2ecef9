"""One example of every record, and more of those that have choices."""

from schemas.records import (
    DeadLetter,
    JourneyAbandoned,
    JourneyCommand,
    JourneyLifecycle,
    JourneyRegistered,
    JourneySignal,
    PolicyChanged,
    Punctuation,
    Touchpoint,
)
from schemas.rows import PartitionRow, PolicyRow, SchemaRow

T0 = 1_760_000_000_000
SMALL = Touchpoint("j", None, "t", T0)
FULL = Touchpoint(
    "journey-ä", "user", "t1", T0, "search", "click", "AWARE", 1_500_000, 0.25, 90_000_000, "act", "bids-1", 0.5
)
INPUTS = [
    FULL,
    SMALL,
    JourneyRegistered("j", "u", T0, 1, 2, 3),
    JourneyRegistered("j", None, T0),
    JourneySignal("j", T0, "fatigue", "c", "by", "note"),
    JourneyCommand("j", T0, "abandon", "TIMEOUT", None, "c", "by", "note"),
    JourneyCommand("j", T0, "extend", None, 86_400_000),
    PolicyChanged("default-1", "{}", T0, "ann"),
    Punctuation(T0, "live", "worker"),
]
OTHERS = [
    JourneyAbandoned(
        *("a" * 32, "j", None, "TIMEOUT", "AWARE", T0, None, T0 + 1, T0 + 2, 1, 2, 3, 0.5, 4, 5, 6, 11),
        *(0.2, 0.3, 1.0, 1, "default-1", False, True, None, None, None, None, None, None, None, None, None),
    ),
    JourneyLifecycle("a" * 32, "started", "j", None, T0, T0),
    DeadLetter("journey-events", 3, 17, "value: wrong", None, None, b"\xff", 1, "00"),
    PartitionRow(17, None, None, "default-1", 4),
    PartitionRow(17, T0, "live", "default-1", 4),
    PolicyRow(17, "default-1", "{}"),
    SchemaRow(0, 77, "{}"),
]
