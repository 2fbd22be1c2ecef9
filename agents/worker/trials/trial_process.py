"""The process in which records are tried: each one by itself, through all native code that a worker has for it.

It reads what is to be tried from its standard input, writes a line when it is ready and one for each record that is
through, and ends. Limits of memory and time hold for the process, so whatever a record does happens to nobody else.
"""

from __future__ import annotations

import pickle
import resource
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Final, NamedTuple

from journeys.schemas.codec import Codec
from journeys.schemas.columns import WORTHWHILE
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition

MEMORY_BYTES: Final = 1024**3
"""Memory that a record may take beside what the process has at its start. The greatest that are taken, of a MiB, take
some MiB."""
CPU_SECONDS: Final = 120
"""Ends a trial that nobody looks at any more. What counts is the wall time of each record, on the other side."""


class TriedRecord(NamedTuple):
    """A record to be tried, with the names that aiokafka has for its parts."""

    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int
    timestamp_type: int


class Trial(NamedTuple):
    """What is tried: records, and the codec that knows their schemas."""

    codec: Codec
    number: int
    count: int
    records: Sequence[TriedRecord]


def main() -> None:
    """Try what standard input says."""
    trial: Trial = pickle.load(sys.stdin.buffer)  # noqa: S301  (the worker wrote it)
    _limit(resource.RLIMIT_AS, _address_space_bytes() + MEMORY_BYTES)
    _limit(resource.RLIMIT_CPU, CPU_SECONDS)
    _limit(resource.RLIMIT_CORE, 0)
    _say("ready")
    for record in trial.records:
        try_record(record, trial)
        _say("through")


def try_record(record: TriedRecord, trial: Trial) -> None:
    """Decode and apply a record, alone, in columns, and in the compiled engine where there is one."""
    trial.codec.decode_inputs([record.value] * WORTHWHILE)
    Processor(_empty(trial)).process_log([record], trial.codec)
    if find_spec("journeys.engine") is not None:
        from journeys.engine import Engine  # noqa: PLC0415  (it may not be built)
        from journeys.streams.compiled.compiled_partition import compiled_partition  # noqa: PLC0415  (the same)
        from journeys.streams.compiled.compiled_processor import CompiledProcessor  # noqa: PLC0415  (the same)

        partition = compiled_partition(Engine, trial.number, trial.count, trial.codec)
        CompiledProcessor(partition).process_log([record], trial.codec)


def _empty(trial: Trial) -> Partition:
    return Partition(trial.number, trial.count)


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _address_space_bytes() -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            return int(statm.read().split()[0]) * resource.getpagesize()
    except OSError:  # only Linux has it
        return 4 * MEMORY_BYTES


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
