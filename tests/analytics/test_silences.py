"""Silences of records, next to a list that is walked record by record."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from journeys.analytics.silences import CONVERTED_AT_ONCE, ENDED, OPEN, RETURNED, silences_of

TOUCHPOINT, SIGNAL, ABANDON = 0, 2, 3
CONVERTED = 5  # the place in STATES, from 1 on; 0 is none
END = 40
RECORDS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, END),
        st.sampled_from([TOUCHPOINT, TOUCHPOINT, TOUCHPOINT, SIGNAL, ABANDON]),
        st.sampled_from([0, 1, 3, CONVERTED]),
        st.sampled_from([-1, 0, 1]),
    ),
    max_size=30,
)


def walked(records):
    """(journey, begin, age, ending) of each silence, and the touchpoints that its journey has had by then."""
    found = []
    for journey in sorted({record[0] for record in records}):
        own = sorted((record for record in records if record[0] == journey), key=lambda record: record[1])
        instants: dict[int, list[int]] = {}
        for _, at, kind, state, _ in own:
            if kind == TOUCHPOINT and CONVERTED not in instants.setdefault(at, []):  # what stands behind it is late
                instants[at].append(state)
        ends = [record[1] for record in own if record[2] in (SIGNAL, ABANDON)]
        so_far = 0
        times = sorted(instants)
        for place, at in enumerate(times):
            so_far += len(instants[at])
            if CONVERTED in instants[at]:
                continue
            following = times[place + 1] if place + 1 < len(times) else None
            end = min((one for one in ends if one >= at), default=None)
            if end is not None and (following is None or end < following):
                found.append((journey, at, end - at, ENDED, so_far))
            elif following is None:
                found.append((journey, at, END - at, OPEN, so_far))
            else:
                how = CONVERTED_AT_ONCE if instants[following][0] == CONVERTED else RETURNED
                found.append((journey, at, following - at, how, so_far))
    return found


def of(records):
    """The same by the columns of a packed file, journey by journey in the order of the log."""
    records = sorted(records, key=lambda record: record[0])
    columns = np.array(records, np.int64).reshape(-1, 5).T
    return silences_of(*columns, end_at=END, segments=("a", "b"))


@given(RECORDS)
def test_silences_are_those_of_a_walk_through_the_records(records) -> None:
    """Ages and endings. Records of one instant count together; which of them stands first is another matter."""
    touched = {record[:2] for record in records if record[2] == TOUCHPOINT}
    assume(not any(record[2] != TOUCHPOINT and record[:2] in touched for record in records))
    made = of(records)
    so_far = np.zeros(len(made), np.int64)
    for place in range(len(made)):
        mine = made.journey[: place + 1] == made.journey[place]
        so_far[place] = made.added[: place + 1][mine].sum()
    rows = zip(made.journey, made.begin, made.age, made.ending, so_far, made.is_silence, strict=True)
    assert [tuple(map(int, row[:5])) for row in rows if row[5]] == walked(records)


@given(RECORDS, st.integers(0, END))
def test_what_was_known_is_what_a_history_up_to_then_gives(records, at) -> None:
    """A history that is cut says the same as one that ended there."""
    known = of(records).known_by(at)
    earlier = silences_of(
        *np.array(sorted((r for r in records if r[1] < at), key=lambda r: r[0]), np.int64).reshape(-1, 5).T,
        end_at=at,
        segments=("a", "b"),
    )
    for name in ("journey", "begin", "gap", "added", "state", "segment", "is_silence"):
        assert getattr(known, name).tolist() == getattr(earlier, name).tolist(), name
    for name in ("age", "ending"):  # of a conversion they say nothing
        assert (
            getattr(known.of(known.is_silence), name).tolist() == getattr(earlier.of(earlier.is_silence), name).tolist()
        )
