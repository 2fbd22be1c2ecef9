"""Random schemas of other writers, with random bodies under them, alone and in compressed batches.

`python -m tests.fuzz.foreign_random COUNT [--seed S] [--first N]` tries inputs in this process, with limits of memory
and of the time for one input, and prints what became of them as one line of JSON. The parent of that process, `tried`,
sees a crash, a hang or a want of memory as its end.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import random
import resource
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final, NamedTuple

from aiokafka.record.default_records import DefaultRecordBatchBuilder

from journeys.agents.kafka.unpacked_batches import UnpackedBatches
from tests.fixtures.made_batches import CODECS
from tests.fuzz.foreign_cases import SCHEMA_ID, SMALL_BODY, Foreign, number, outcome_of, touchpoint_with

HANG_SECONDS: Final = 5.0
MEMORY_MIB: Final = 256
"""What an input may take beside what the process has at its start."""
_ADDRESS_SPACE_MIB: Final = 2_048
"""Where an input ends that takes without end: much of it is address space that is never used."""
_HEAD: Final = b"\x00" + SCHEMA_ID.to_bytes(4, "big")
_ROOT: Final = Path(__file__).parent.parent.parent
_PLAIN: Final = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
_ODD: Final = (
    *("Touchpoint", "gaelp.journeys.Touchpoint", "nowhere", "", 7, None, [], {}, {"type": "record"}),
    {"type": "fixed", "name": "huge", "size": 2**31},
    {"type": "fixed", "name": "nothing", "size": 0},
    {"type": "fixed", "name": "less", "size": -1},
    {"type": "enum", "name": "none", "symbols": []},
    {"type": "bytes", "logicalType": "decimal", "precision": 10**6, "scale": 3},
    {"type": "int", "logicalType": "date"},
    {"type": "long", "logicalType": "timestamp-micros"},
    {"type": "array", "items": "null"},
)
_MOST_BATCH_BYTES: Final = 16 * 2**20
_COUNTS: Final = (0, 1, 2, 3, 60, 10**4, 10**9, 10**12, 2**62, -1, -2, -(10**12), -(2**63))
_SIZES: Final = (0, 0, 1, 3, 30, 300, 3_000, 300_000)


class Tried(NamedTuple):
    """What became of inputs, by a word for each kind; and the most memory that they took beyond the start, in MiB."""

    accounted: Counter[str]
    most_mib: float


def foreign_input(seed: int) -> Foreign:
    """Schema and value of a seed; what becomes of it is not known."""
    chance = random.Random(f"foreign {seed}")
    kind = _Schemas(chance).kind(chance.choice((0, 1, 2, 3, 5, 30)))
    in_front = chance.random() < 0.5
    schema: Any = touchpoint_with(kind, in_front=in_front) if chance.random() < 0.8 else kind
    text = json.dumps(schema)
    if chance.random() < 0.05:
        at = chance.randrange(len(text))
        text = text[:at] + chance.choice(("", '"', "{", "\x00", "9" * 400, text)) + text[at + 1 :]
    more = _body(chance)
    return Foreign(f"seed {seed}", text, _HEAD + (more + SMALL_BODY if in_front else SMALL_BODY + more), "")


class _Schemas:
    """Makes types, of which so many may be in one schema."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._names: list[str] = []
        self._left = chance.choice((1, 3, 30, 300))

    def kind(self, depth: int) -> Any:
        """A type: mostly one that there may be."""
        chance = self._chance
        self._left -= 1
        if chance.random() < 0.08:
            return chance.choice(_ODD)
        if self._names and chance.random() < 0.1:
            return chance.choice(self._names)
        if depth == 0 or self._left <= 0 or chance.random() < 0.3:
            return chance.choice(_PLAIN)
        make = chance.choice((self._array, self._map, self._union, self._enum, self._fixed, self._record, self._record))
        return make(depth - 1)

    def _array(self, depth: int) -> Any:
        return {"type": "array", "items": self.kind(depth)}

    def _map(self, depth: int) -> Any:
        return {"type": "map", "values": self.kind(depth)}

    def _union(self, depth: int) -> Any:
        return [self.kind(depth) for _ in range(self._chance.choice((0, 1, 2, 2, 3, 40)))]

    def _enum(self, _: int) -> Any:
        symbols = [f"s{number}" for number in range(self._chance.choice((1, 2, 500)))]
        return {"type": "enum", "name": self._name(), "symbols": symbols}

    def _fixed(self, _: int) -> Any:
        return {"type": "fixed", "name": self._name(), "size": self._chance.choice((0, 1, 16, 10**5, 2**31))}

    def _record(self, depth: int) -> Any:
        name = self._name()
        fields = [self._field(depth, place) for place in range(self._chance.choice((0, 1, 2, 3, 30)))]
        return {"type": "record", "name": name, "fields": fields}

    def _field(self, depth: int, place: int) -> dict[str, Any]:
        chance = self._chance
        field = {"name": f"f{place}" if chance.random() < 0.97 else "f0", "type": self.kind(depth)}
        if chance.random() < 0.1:
            field["default"] = chance.choice((None, 0, -1, 1e300, "", "x" * 1_000, [], {}, [[[]]], True))
        return field

    def _name(self) -> str:
        self._names.append(f"n{len(self._names)}" if self._chance.random() < 0.97 else "n0")
        return self._names[-1]


def _body(chance: random.Random) -> bytes:
    parts = []
    for _ in range(chance.choice((0, 1, 1, 2, 5))):
        if chance.random() < 0.5:
            parts.append(number(chance.choice(_COUNTS)))
        elif chance.random() < 0.5:
            parts.append(chance.randbytes(chance.choice(_SIZES)))
        else:
            parts.append(bytes([chance.randrange(256)]) * chance.choice(_SIZES))
    return b"".join(parts)


def try_input(seed: int) -> str:
    """Decode an input alone and in columns, then unpack a batch of it; gives what became of it in a word."""
    case = foreign_input(seed)
    outcome, _ = outcome_of(case)
    chance = random.Random(f"packed {seed}")
    # A broker unpacks what it is given, and takes no batch that it can't read: what is in one is anything at all.
    batch = _packed(case.value, chance.choice(list(CODECS.values())), chance.choice((1, 3, 400)))
    batches = UnpackedBatches(bytes(batch))
    while batches.has_next():
        for record in batches.next_batch():
            assert record.value == case.value
    return outcome


def _packed(value: bytes, codec: int, count: int) -> bytearray:
    """A batch of records that are all alike."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=2**30,
    )
    for place in range(count if len(value) * count < _MOST_BATCH_BYTES else 1):
        builder.append(place, 1_760_000_000_000, b"key", value, [])
    return bytearray(builder.build())


def tried(count: int, seed: int) -> Tried:
    """Try inputs in a process with limits. Raises AssertionError with its last words, if it did not survive."""
    command = [sys.executable, "-m", "tests.fuzz.foreign_random", str(count), "--seed", str(seed)]
    # Allocators take address space ahead of need, which counts against the limit.
    environment = os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run(command, cwd=_ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"exit code {done.returncode}: {done.stdout[-300:]} {done.stderr[-3_000:]}"
    said = json.loads(done.stdout.splitlines()[-1])
    return Tried(Counter(said["accounted"]), said["most_mib"])


def main() -> None:
    """Try inputs here."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.foreign_random")
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    chosen = parser.parse_args()
    try_input(0)  # what is loaded once is no input's
    at_start = _most_mib()
    address_space = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (address_space + _ADDRESS_SPACE_MIB * 2**20,) * 2)
    accounted: Counter[str] = Counter()
    for place in range(chosen.first, chosen.count):
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        try:
            accounted[try_input(chosen.seed * 10**9 + place)] += 1
        except BaseException:
            sys.stdout.write(f"input {place} of seed {chosen.seed}\n")
            raise
    faulthandler.cancel_dump_traceback_later()
    sys.stdout.write(f"{json.dumps({'accounted': accounted, 'most_mib': round(_most_mib() - at_start, 1)})}\n")


def _most_mib() -> float:
    """Most memory of this program so far; what getrusage says goes on from the process that started it."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("the system does not tell its memory")


if __name__ == "__main__":
    main()
