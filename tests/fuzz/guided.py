"""One target under libFuzzer (atheris): inputs are bred by what new code they reach. A process of its own.

libFuzzer ends the process at a crash, a hang or too much memory, and never returns.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["schemas", "streams", "agents"], enable_loader_override=False):
    from tests.fuzz.targets import NOTHING, REFUSED, TARGETS

_SAID_EVERY = 1_000


def main(name: str, wanted: int, tally_path: Path, options: list[str]) -> None:
    """Try inputs until `wanted` of them were bad; what became of all is written to a file now and then."""
    target = TARGETS[name]
    accounted: Counter[str] = Counter()
    tried = bad = 0

    def try_one(data: bytes) -> None:
        nonlocal tried, bad
        found = target.try_input(data)
        accounted.update(found or [NOTHING])
        tried += 1
        bad += any(what in REFUSED for what in found)
        if tried % _SAID_EVERY == 0 or bad >= wanted:
            tally_path.write_text(json.dumps({"tried": tried, "bad": bad, "accounted": accounted}))
        if bad >= wanted:
            os._exit(0)

    atheris.Setup([sys.argv[0], *options], try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
