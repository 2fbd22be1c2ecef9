"""The simulator: workers on one log that crash, freeze and wake up, until one of them has come to its end.

Everything follows from the seed. A worker that is stopped may be dead, or frozen: then it goes on later,
at the very step where it stood, while another owns the partition.
"""

from __future__ import annotations

import random
import traceback
from typing import Final

from tests.properties.outcome import restored
from tests.simulation.verdict import Verdict, expected, judge
from tests.simulation.worker import FencedError, Topics, Worker

_CRASHES: Final = (1, 2, 3, 4, 6)
# Between rows and partition row a crash leaves most to go wrong.
_CRASH, _CRASH_AT_A_ROW = 0.03, 0.12
_FREEZE, _WAKE, _REJOIN, _COMPACT = 0.4, 0.06, 0.5, 0.3
_STEPS_AWAKE: Final = (1, 2, 4, 8, 30)
# More than any run takes that gets on at all.
_MOST_STEPS: Final = 20_000


class Simulation:
    """One run. With `crash_after` the only crash is behind that step; else chance stops workers several times."""

    def __init__(self, seed: int, worker: type[Worker] = Worker, crash_after: int | None = None) -> None:
        self.verdict = Verdict(seed)
        self._topics = Topics(expected(seed).log)
        self._worker = worker
        self._chance = random.Random(f"run {seed}")
        self._crash_after = crash_after
        self._crashes_left = 1 if crash_after is not None else self._chance.choice(_CRASHES)
        self._frozen: list[Worker] = []

    def run(self) -> Verdict:
        """Let workers work until one has come to the end of the input; then judge."""
        try:
            self._work()
            judge(self._topics, self.verdict)
        except Exception as error:  # a fault may show itself in any way
            where = traceback.extract_tb(error.__traceback__)[-1]
            self.verdict.problems.append(f"a worker failed: {error!r} at {where.filename}:{where.lineno}")
        return self.verdict

    def _work(self) -> None:
        owner = self._worker(self._topics, self._chance)
        while (ended := self._step(owner, "owner")) != "finished":
            if len(self.verdict.trace) > _MOST_STEPS:
                raise RuntimeError("no worker comes to the end")
            if ended == "fenced" or self._crashes(owner):
                owner = self._next_owner()
            elif self._frozen and self._chance.random() < _WAKE:
                self._wake()
        while self._frozen:
            self._wake()

    def _next_owner(self) -> Worker:
        """Return a new worker, or one that lost the partition without knowing it and gets it back."""
        back = [worker for worker in self._frozen if worker.between_batches]
        if not back or self._chance.random() >= _REJOIN:
            return self._worker(self._topics, self._chance)
        worker = self._chance.choice(back)
        self._frozen.remove(worker)
        worker.steps = worker.rejoin()
        self._say("a frozen worker owns the partition again")
        self.verdict.wakings += 1
        return worker

    def _step(self, worker: Worker, who: str) -> str | None:
        """Let a worker write once; says what ended it, if anything did."""
        try:
            step = next(worker.steps)
        except StopIteration:
            return "finished"
        except FencedError:
            self._say(f"{who} ends: another has come further")
            return "fenced"
        self._say(f"{who}: {step}")
        if step == "restored":
            self._compact()
        return None

    def _crashes(self, owner: Worker) -> bool:
        """Whether the owner stops here; it may only be frozen."""
        if self._crashes_left == 0:
            return False
        steps = len(self.verdict.trace)
        if self._crash_after is not None:
            crashes = steps >= self._crash_after
        else:
            at_a_row = ": row" in self.verdict.trace[-1]
            crashes = self._chance.random() < (_CRASH_AT_A_ROW if at_a_row else _CRASH)
        if not crashes:
            return False
        self._crashes_left -= 1
        self.verdict.crashes += 1
        if self._crash_after is None and self._chance.random() < _FREEZE:
            self._frozen.append(owner)
            self._say("owner frozen")
        else:
            self._say("owner dead")
        return True

    def _wake(self) -> None:
        """Let a frozen worker go on for some steps; then it is dead."""
        worker = self._frozen.pop(self._chance.randrange(len(self._frozen)))
        self.verdict.wakings += 1
        for _ in range(self._chance.choice(_STEPS_AWAKE)):
            if self._step(worker, "woken") is not None:
                return

    def _compact(self) -> None:
        """Compact the changelog, perhaps. Kafka leaves the newest day alone, in which stale rows are written over."""
        if self._chance.random() < _COMPACT and not restored(self._topics.stored())[1]:
            self._topics.compact()
            self._say("changelog compacted")

    def _say(self, what: str) -> None:
        self.verdict.trace.append(what)
