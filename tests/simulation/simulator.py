"""The simulator: workers on one log that crash, freeze, lose the partition and wake up, until one comes to the end.

Everything follows from the seed. An owner that is stopped may be dead (what it had sent can still arrive), frozen
(it goes on later, at the very step where it stood) or cut off: it goes on at once, and does not know that another owns
the partition. Time passes between steps, too: hours without any worker, days with nothing to do. Kafka compacts then.
"""

from __future__ import annotations

import random
import traceback
from collections.abc import Sequence
from itertools import chain
from typing import Final

from journeys.schemas.records import Mark
from journeys.streams.partition.entry import Entry
from tests.simulation.marks import Registry
from tests.simulation.topics import COMPACTION_LAG_HOURS, TOMBSTONE_HOURS, Topics
from tests.simulation.verdict import RUNS_OF_A_LOG, Verdict, expected, judge
from tests.simulation.worker import SEND, FencedError, KilledError, ReplacedError, StalledError, Worker

_STOPS: Final = (1, 2, 3, 4, 6)
# Between rows and partition row a crash leaves most to go wrong.
_STOP, _STOP_AT_A_ROW = 0.03, 0.12
_KINDS: Final = ("dead", "dead", "frozen", "frozen", "cut off", "cut off", "handed over")
_ARRIVES, _WAKES, _CUT_OFF_STEPS, _REJOINS, _QUIET = 0.3, 0.06, 0.5, 0.5, 0.01
_ARRIVING: Final = (1, 1, 2, 3)
_STEPS_AWAKE: Final = (1, 2, 4, 8, 30)
_STEPS_UNTIL_TOLD: Final = (2, 8, 16, 40)
_DEADLY: Final = 0.1
"""How often a log has a record that kills whoever applies it."""
_REPLACED: Final = 0.1
"""How often the input topic is created anew at the end."""
_HOURS_DOWN: Final = (0, 0, 0, 0, 2, 30, 80)
# As long as nobody can know of stale rows, Kafka must not compact: docs/decisions/0021.
_SHORT_HOURS: Final = 12
_LONG_HOURS: Final = 2 * (COMPACTION_LAG_HOURS + TOMBSTONE_HOURS)
# The cleaner comes by this often.
_CLEANED_EVERY_HOURS: Final = 10
# More than any run takes that gets on at all.
_MOST_STEPS: Final = 20_000


class Simulation:
    """One run. With `stop_after` the only stop is behind that step, of the kind given; else chance stops workers."""

    def __init__(
        self, seed: int, worker: type[Worker] = Worker, stop_after: int | None = None, hours_down: int = 0
    ) -> None:
        self.verdict = Verdict(seed)
        whole = expected(seed)
        self._topics = Topics(list(whole.log), whole.foreign, Registry(whole.lags), _deadly_in(whole.log, seed))
        self._worker = worker
        self._chance = random.Random(f"run {seed}")
        self._stop_after = stop_after
        self._hours_down = hours_down
        self._stops_left = 1 if stop_after is not None else self._chance.choice(_STOPS)
        self._arriving: list[Worker] = []
        self._frozen: list[tuple[Worker, int]] = []
        self._cut_off: list[tuple[Worker, int]] = []
        self._foreign_to = 0
        """Changelog position behind the last row by one that no guard can stop."""
        self._looked_to = 0
        """Changelog position up to which owners have seen, and repaired, what others wrote."""
        self._short_hours_left = _SHORT_HOURS

    def run(self) -> Verdict:
        """Let workers work until one has come to the end of the input; then judge."""
        try:
            self._work()
            self._end()
            judge(self._topics, self.verdict, expected(self.verdict.seed))
            if self._stop_after is None and random.Random(f"replaced {self.verdict.seed}").random() < _REPLACED:
                self._replace_input()
        except Exception as error:  # a fault may show itself in any way
            where = traceback.extract_tb(error.__traceback__)[-1]
            self.verdict.problems.append(f"a worker failed: {error!r} at {where.filename}:{where.lineno}")
        return self.verdict

    def _replace_input(self) -> None:
        """While nobody works the input topic is deleted and created again, and gets other records."""
        whole = expected(self.verdict.seed + RUNS_OF_A_LOG)
        self._topics.replace_input(whole.log)
        self._topics.foreign, self._topics.registry = whole.foreign, Registry(whole.lags)
        self._say("the input topic is created anew")
        try:
            self._finish()
        except ReplacedError as error:
            self._say(f"owner ends: {error}")
            self._topics.begin_anew()
            self._finish()
        judge(self._topics, self.verdict, whole)

    def _finish(self) -> None:
        """Have new workers work until one has come to the end, with nobody else about."""
        owner = self._worker(self._topics, self._chance)
        while (ended := self._step(owner, "owner")) != "finished":
            if ended is not None:
                owner = self._worker(self._topics, self._chance)

    def _work(self) -> None:
        owner = self._worker(self._topics, self._chance)
        while (ended := self._step(owner, "owner")) != "finished":
            if len(self.verdict.trace) > _MOST_STEPS:
                raise RuntimeError("no worker comes to the end")
            if ended is not None:
                owner = self._next_owner()
            elif self._stops():
                owner = self._stop(owner)
            elif self._stop_after is None:
                owner = self._meanwhile(owner)

    def _step(self, worker: Worker, who: str) -> str | None:
        """Let a worker write once; says what ended it, if anything did."""
        try:
            step = next(worker.steps)
        except StopIteration:
            return "finished"
        except (FencedError, KilledError, StalledError) as error:
            self._say(f"{who} ends: {type(error).__name__}")
            return "ended"
        self._say(f"{who}: {step}")
        if who == "owner":
            self._looked_to = max(self._looked_to, worker.looked_to)
        elif who != "woken" and step.startswith("row"):
            self._foreign_to = len(self._topics.changelog)
        return None

    def _stops(self) -> bool:
        if self._stops_left == 0:
            return False
        steps = len(self.verdict.trace)
        if self._stop_after is not None:
            stops = steps >= self._stop_after
        else:
            at_a_row = ": row" in self.verdict.trace[-1]
            stops = self._chance.random() < (_STOP_AT_A_ROW if at_a_row else _STOP)
        self._stops_left -= stops
        return stops

    def _stop(self, owner: Worker) -> Worker:
        """Stop the owner in some way, let time pass, and return the next one."""
        if self._stop_after is not None:
            self.verdict.crashes += 1
            self._pass_hours(self._hours_down)
            return self._worker(self._topics, self._chance)
        kind = self._chance.choice(_KINDS)
        self._say(f"owner {kind}")
        if kind == "handed over":
            return self._hand_over(owner)
        self.verdict.crashes += kind == "dead"
        if kind == "frozen":
            self._frozen.append((owner, self._topics.hour))
        elif kind == "cut off":
            self._cut_off.append((owner, self._chance.choice(_STEPS_UNTIL_TOLD)))
        elif self._chance.random() < _ARRIVES:
            self._arriving.append(owner)
        self._be_down()
        return self._next_owner()

    def _hand_over(self, owner: Worker) -> Worker:
        """A rebalance in peace: the batch in flight ends first. The same worker may get the partition again."""
        while not owner.between_batches:
            if (ended := self._step(owner, "owner")) == "finished":
                owner.steps = iter(())
                return owner
            if ended is not None:
                return self._next_owner()
        if self._chance.random() < _REJOINS:
            owner.steps = owner.rejoin()
            return owner
        return self._next_owner()

    def _next_owner(self) -> Worker:
        """Return a new worker, or one that lost the partition without knowing it and gets it back."""
        back = [one for one in self._cut_off if one[0].between_batches]
        back += [one for one in self._frozen if one[0].between_batches and not one[0].is_guarded]
        if not back or self._chance.random() >= _REJOINS:
            return self._worker(self._topics, self._chance)
        chosen = self._chance.choice(back)
        (self._cut_off if chosen in self._cut_off else self._frozen).remove(chosen)
        worker = chosen[0]
        worker.steps = worker.rejoin()
        self._say("a worker that had lost the partition owns it again")
        self.verdict.wakings += 1
        return worker

    def _meanwhile(self, owner: Worker) -> Worker:
        """What others do between two steps of the owner."""
        chance = self._chance
        if self._cut_off and chance.random() < _CUT_OFF_STEPS:
            self._go_on_cut_off()
        elif self._arriving and chance.random() < _WAKES:
            self._arrive()
        elif self._frozen and chance.random() < _WAKES:
            self._wake()
        elif owner.between_batches and chance.random() < _QUIET:
            return self._be_quiet(owner)
        return owner

    def _go_on_cut_off(self) -> None:
        """Let a worker without its partition write once, until it hears of its loss."""
        worker, left = self._cut_off.pop(self._chance.randrange(len(self._cut_off)))
        self.verdict.zombie_steps += 1
        if self._step(worker, "cut off") is None and left > 1:
            self._cut_off.append((worker, left - 1))

    def _arrive(self) -> None:
        """What a dead worker had sent gets to the broker: of what was sent at once, the beginning or all."""
        worker = self._arriving.pop()
        for _ in range(self._chance.choice(_ARRIVING)):
            if self._step(worker, "of a dead one") is not None or f": {SEND} " in self.verdict.trace[-1]:
                return  # what comes next was not sent: an acknowledgement would have been waited for

    def _wake(self) -> None:
        """Let a frozen worker go on for some steps; then it is dead. With a guard it ends at once."""
        worker, _ = self._frozen.pop(self._chance.randrange(len(self._frozen)))
        self.verdict.wakings += 1
        if worker.is_guarded:
            self._say("a frozen worker wakes up, and ends because it stood still")
            return
        for _ in range(self._chance.choice(_STEPS_AWAKE)):
            if self._step(worker, "woken") is not None:
                return

    def _be_down(self) -> None:
        """Nobody owns the partition for some time."""
        hours = self._chance.choice(_HOURS_DOWN)
        if hours:
            self._settle()
            if hours > COMPACTION_LAG_HOURS and self._frozen and self._chance.random() < _REJOINS:
                self._wake()
            self._pass_hours(hours if self._looked_to >= self._foreign_to else min(hours, self._short_hours_left))

    def _be_quiet(self, owner: Worker) -> Worker:
        """The owner has nothing to do for days but punctuations, whose partition rows look for foreign ones, too."""
        self._settle()
        owner.steps, rest = chain(owner.store([owner.partition_row()]), owner.look_at_gaps()), owner.steps
        while (ended := self._step(owner, "owner")) is None:
            pass
        owner.steps = rest
        if ended != "finished":
            return self._next_owner()
        self._looked_to = max(self._looked_to, owner.looked_to)
        self._pass_hours(_LONG_HOURS)
        return owner

    def _settle(self) -> None:
        """Hours bring to an end what only minutes can take: requests under way, workers that are cut off."""
        while self._arriving:
            self._arrive()
        self._cut_off.clear()

    def _pass_hours(self, hours: int) -> None:
        """Let time pass; Kafka compacts now and then."""
        is_known = self._looked_to >= self._foreign_to
        self._short_hours_left = _SHORT_HOURS if is_known else self._short_hours_left - hours
        for _ in range(0, hours, _CLEANED_EVERY_HOURS):
            self._topics.hour += min(hours, _CLEANED_EVERY_HOURS)
            self._topics.compact()
        if hours:
            self._say(f"{hours} hours later")

    def _end(self) -> None:
        """After the last record: whoever is still about goes on; somebody restores once more; days pass."""
        if self._stop_after is not None:
            return
        while self._cut_off:
            self._go_on_cut_off()
        self._settle()
        if self._looked_to < self._foreign_to:
            owner = self._worker(self._topics, self._chance)
            owner.steps = chain(owner.restore(), owner.look_at_gaps())
            while self._step(owner, "owner") is None:
                pass
        while self._frozen:
            self._wake()
        if self._topics.committed < self._topics.end:  # a mark of a dead worker came last
            self._finish()
        self._pass_hours(_LONG_HOURS)

    def _say(self, what: str) -> None:
        self.verdict.trace.append(what)


def _deadly_in(log: Sequence[Entry], seed: int) -> int | None:
    """Offset of a record that kills whoever applies it; most logs have none."""
    chance = random.Random(f"deadly {seed}")
    records = [entry for entry in log if not isinstance(entry.record, Mark)]
    return chance.choice(records).offset if records and chance.random() < _DEADLY else None
