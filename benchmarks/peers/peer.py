"""A system of the comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.peers.trace import Trace

Command = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Peer:
    """How a system is started, fed and timed.

    `commands` are its processes, each with a folder of its own; where Kafka is and what is to be done stands in the
    environment. `punctuated`: it reads the punctuations, too. `sampled`: it gets the touchpoints of each tenth
    journey. `prepare` makes ready the folder of a run.
    """

    name: str
    application_id: str
    commands: tuple[Command, ...]
    trace: Trace
    environment: Mapping[str, str] = field(default_factory=dict)
    punctuated: bool = False
    sampled: bool = False
    prepare: Callable[[Path], None] | None = None
