"""The reference and the compiled engine are processors and partitions alike: for mypy, and in what they answer."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import pytest

from journeys.schemas.instants import DAY_MS
from journeys.schemas.records import JourneyRegistered, Punctuation, Touchpoint
from journeys.streams.partition.changelog import stored_rows
from journeys.streams.partition.entry import Entry
from journeys.streams.partition.partition_state import PartitionState
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.protocols import DecidedPartition, JourneyPartition, JourneyProcessor
from journeys.streams.partition.state import Partition
from tests.engine.comparison import CODEC, compiled, needs_engine, reference, tables
from tests.fixtures.wire_record import on_the_wire

_ROOT: Final = Path(__file__).parents[2]
_AT: Final = 1_760_000_000_000
_PROGRAM: Final = """
from journeys.streams.compiled.compiled_partition import CompiledPartition
from journeys.streams.compiled.compiled_processor import CompiledProcessor
from journeys.streams.partition.state import Partition
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.protocols import DecidedPartition, JourneyPartition, JourneyProcessor

def processors(reference: Processor, compiled: CompiledProcessor) -> tuple[JourneyProcessor, JourneyProcessor]:
    return reference, compiled

def partitions(reference: Partition, compiled: CompiledPartition) -> tuple[JourneyPartition, JourneyPartition]:
    return reference, compiled

def decided(reference: Partition, compiled: CompiledPartition) -> tuple[DecidedPartition, DecidedPartition]:
    return reference, compiled
"""


def _names(protocol: type[Any]) -> set[str]:
    return (
        {*getattr(protocol, "__annotations__", {}), *vars(protocol)}
        - set(dir(Protocol))
        - {"_abc_impl", "__annotations__"}
    )


def test_both_satisfy_the_protocols_for_mypy(tmp_path: Path) -> None:
    """Without an ignored type, whichever is handed where a protocol is asked for."""
    program = tmp_path / "both.py"
    program.write_text(_PROGRAM, "utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", str(_ROOT / "pyproject.toml"), str(program)]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    for name in ("compiled_partition.py", "compiled_processor.py"):
        assert "type: ignore" not in (_ROOT / "streams" / "compiled" / name).read_text("utf-8")


@needs_engine
def test_the_compiled_ones_inherit_nothing_of_the_reference() -> None:
    """Or an inherited method would look at indexes that are empty."""
    processor = compiled(0, 1)
    assert not isinstance(processor, Processor)
    assert not isinstance(processor.partition, Partition)
    assert [kind.__name__ for kind in type(processor.partition).__mro__[1:]] == ["PartitionState", "ABC", "object"]
    assert {name for name in vars(PartitionState) if name.startswith("_") and not name.startswith("__")} == {
        "_abc_impl"
    }


@needs_engine
@pytest.mark.parametrize("protocol", [JourneyPartition, DecidedPartition])
def test_partitions_have_all_that_a_protocol_names(protocol: type[Any]) -> None:
    """Attributes as well, which mypy believes an annotation."""
    for processor in (reference(0, 1), compiled(0, 1)):
        assert {name for name in _names(protocol) if not hasattr(processor.partition, name)} == set()


@needs_engine
@pytest.mark.parametrize("make", [reference, compiled])
def test_a_processor_that_nobody_holds_is_freed_at_once(make: Callable[[int, int], JourneyProcessor]) -> None:
    """By the count of its references: a worker keeps its rows out of the garbage collector's sight."""
    gc.disable()
    try:
        processor = make(0, 1)
        processor.process_log([], CODEC)
        freed = [weakref.ref(processor), weakref.ref(processor.partition)]
        del processor
        assert [ref() for ref in freed] == [None, None]
    finally:
        gc.enable()


@needs_engine
def test_every_call_of_the_protocols_gives_the_same() -> None:
    """On a log with an open journey, an ended one, one that is forgotten and one of a registration."""
    log = [
        Touchpoint("journey-1", None, "t-1", _AT, cost_micros=5),
        Touchpoint("journey-2", None, "t-2", _AT + 40 * DAY_MS),
        JourneyRegistered("journey-3", None, _AT + 41 * DAY_MS, inactivity_ms=90 * DAY_MS),
        Punctuation(_AT + 44 * DAY_MS, "simulated"),
        Punctuation(_AT + 44 * DAY_MS, "simulated"),  # deletes what the first one has ended
    ]
    entries = [
        Entry(offset, None if isinstance(record, Punctuation) else record.journey_id.encode(), None, record)
        for offset, record in enumerate(log)
    ]
    answers = [_answers(make(0, 1), entries) for make in (reference, compiled)]
    assert answers[0] == answers[1]
    assert answers[0]["rows"] == ["journey-2", "journey-3"]
    assert (answers[0]["open"], answers[0]["without journey-3"]) == (1, ["journey-2"])


def _answers(processor: JourneyProcessor, entries: list[Entry]) -> dict[str, Any]:
    effects = processor.begin()
    for entry in entries:
        processor.apply_log([on_the_wire(entry, CODEC)], CODEC, effects)
    effects = processor.complete(effects)
    partition = processor.partition
    found: dict[str, Any] = {
        "counts": effects.counts,
        "stored": [tuple(row) for row in stored_rows(effects, CODEC)],
        "deleted": effects.deleted,
        "rows": sorted(partition.rows),
        "tables": tables(processor),
        "number of rows": len(partition.rows),
        "held": ["journey-2" in partition.rows, "journey-1" in partition.rows, partition.rows["journey-2"].stored()],
        "own row": partition.row(),
        "open": partition.open_count(),
        "next": partition.next_due_at(),
        "lag": partition.cleanup_lag_ms(),
        "absent": [
            partition.counts_as_absent(partition.rows["journey-2"], _AT + days * DAY_MS) for days in (50, 72, 73, 100)
        ],
    }
    partition.clock = _AT + 74 * DAY_MS
    found["lag later"] = partition.cleanup_lag_ms()
    partition.remove("journey-3")
    partition.remove("nobody")
    found["without journey-3"] = sorted(partition.rows)
    found["open without it"] = partition.open_count()
    stored = [(name, CODEC.encode_fields("JourneyRow", fields)) for name, fields in found["tables"].items()]
    partition.keep_stored(stored, CODEC)
    found["open again"] = partition.open_count()
    return found
