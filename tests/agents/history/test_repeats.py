"""What is delivered twice counts once, within the bound that each door names."""

from hypothesis import given
from hypothesis import strategies as st

from journeys.agents.history.repeats import Repeats
from journeys.schemas.records import Touchpoint


def said(names):
    """Touchpoints of two journeys under these ids."""
    return [Touchpoint(f"j-{name % 2}", None, f"t-{name}", 1_760_000_000_000, cost_micros=1) for name in names]


@given(st.lists(st.integers(0, 9), max_size=60), st.integers(1, 8))
def test_the_last_records_are_recognised(names, remembered):
    """As a list of all that was taken says, of which the last ones are looked at."""
    repeats = Repeats(remembered)
    taken = []
    for record in said(names):
        is_new = record not in taken[-remembered:]
        assert repeats.takes(record) is is_new
        if is_new:
            taken.append(record)
