"""Long calls of the engine let other threads run: heartbeats, and the guard against freezes."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from threading import Event, Thread
from types import SimpleNamespace

import pytest

from journeys.schemas.codec import Codec
from journeys.schemas.records import Punctuation, Touchpoint
from journeys.streams.compiled.engine_choice import load_engine
from journeys.streams.partition.protocols import JourneyProcessor
from tests.fixtures.left_out import left_out

pytest.importorskip("journeys.engine", reason=left_out("engine"))

CODEC = Codec()
JOURNEYS = 60_000
DAY_MS = 86_400_000
AT = 1_760_000_000_000
# Without turns there is at most one, when the call begins or ends.
LEAST_TURNS = 5


@contextmanager
def counted() -> Iterator[Callable[[], int]]:
    """Give how often another thread has run so far, each time that it was let."""
    turns, over = [0], Event()

    def run() -> None:
        while not over.wait(0.0005):
            turns[0] += 1

    other = Thread(target=run)
    other.start()
    try:
        yield lambda: turns[0]
    finally:
        over.set()
        other.join()


def records(values: list[tuple[bytes | None, bytes]], numbers: Iterator[int]) -> list[SimpleNamespace]:
    """Records as aiokafka gives them."""
    return [
        SimpleNamespace(
            offset=next(numbers), key=key, value=value, headers=(), timestamp=AT + 100 * DAY_MS, timestamp_type=1
        )
        for key, value in values
    ]


@pytest.fixture(scope="module")
def opened() -> tuple[JourneyProcessor, Iterator[int]]:
    """Give an engine with many open journeys, and the numbers of the records to come."""
    processor, numbers = load_engine("compiled").processor(0, 1, CODEC), count()
    given = [
        (f"journey-{number}".encode(), CODEC.encode(Touchpoint(f"journey-{number}", None, f"t-{number}", AT)))
        for number in range(JOURNEYS)
    ]
    given.insert(0, (None, CODEC.encode(Punctuation(AT, "live", "test"))))
    processor.process_log(records(given, numbers), CODEC)
    assert processor.partition.open_count() == JOURNEYS
    return processor, numbers


@pytest.fixture(autouse=True)
def quick_turns() -> Iterator[None]:
    """Let a thread that waits ask for its turn at once: it does so after 5 ms, and these calls should be short."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def test_row_11_a_punctuation_that_ends_many_journeys_lets_others_run(opened):
    """So do the call that gives their rows, and the one that tells what is due next."""
    processor, numbers = opened
    engine, late = processor.partition.engine, Punctuation(AT + 30 * DAY_MS, "live", "test")
    with counted() as turns:
        before = turns()
        effects = processor.begin()
        processor.apply_log(records([(None, CODEC.encode(late))], numbers), CODEC, effects)
        fired = turns()
        changed = engine.take_changed()
        taken = turns()
    assert processor.partition.open_count() == 0
    assert len(changed) == JOURNEYS
    assert fired - before > LEAST_TURNS
    assert taken - fired > LEAST_TURNS


def test_row_11_a_long_batch_lets_others_run():
    """Touchpoints that were fetched together."""
    processor = load_engine("compiled").processor(0, 1, CODEC)
    given = [
        (f"journey-{number}".encode(), CODEC.encode(Touchpoint(f"journey-{number}", None, f"t-{number}", AT)))
        for number in range(JOURNEYS)
    ]
    batch = processor.partition.engine.records_of(records(given, count()))
    with counted() as turns:
        before = turns()
        processor.apply_log(batch, CODEC, processor.begin())
        after = turns()
    assert processor.partition.open_count() == JOURNEYS
    assert after - before > LEAST_TURNS
