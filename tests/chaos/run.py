"""One run of chaos: load, blows, peace, and the proof that nothing of it shows in the outputs."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median
from time import monotonic, time
from typing import Any, Final, NamedTuple

from journeys.agents.devserver.kafka_probe import answers
from journeys.agents.devserver.local_kafka import LocalKafka
from journeys.agents.kafka.topic_setup import create_topics
from journeys.agents.settings.settings import Settings
from journeys.agents.verify.verification import verify
from tests.chaos.load import Load
from tests.chaos.schedule import BROKER, Blow, Form, Schedule, make_schedule
from tests.chaos.supervised import (
    FIRST_RESTORE_SECONDS,
    supervised,
    until,
    wait_until_applied,
    wait_until_restored,
)
from tests.chaos.supervisor import Supervisor
from tests.chaos.traces import (
    Progress,
    count_rebalances,
    read_progress,
    seconds_until_back,
    stalled_shares,
)

_BROKER_SECONDS: Final = 60.0

Say = Callable[[str], None]


class Struck(NamedTuple):
    """A blow as it happened, at this instant (epoch seconds), and the partitions that its victim held."""

    at: float
    blow: Blow
    partitions: list[int]


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of a run. Seconds, shares from 0 to 1."""

    seed: int
    form: dict[str, Any]
    seconds: float
    touchpoints_sent: int
    """Those of a producer that gave up on an absent broker may not be in the log."""
    input_records: int
    """All that the log holds: `counts` of the replay says what they were."""
    counts: dict[str, int]
    abandonments: int
    missing: int
    extra: int
    different: int
    published_twice: int
    blows: dict[str, int]
    rebalances: int
    exit_codes: dict[str, int]
    last_words: list[str]
    producer_failures: int
    restart_seconds: dict[str, float]
    """From a kill until the supervisor has started the next process; `back_seconds` includes it."""
    back_seconds: dict[str, Any]
    """From a kill, with quiet around it, until all partitions of the killed worker make progress again."""
    storm: dict[str, Any]


class Chaos:
    """A Kafka in `folder`, workers under a supervisor, load, and blows. `settings` go to the workers."""

    def __init__(self, folder: Path, form: Form, seed: int, say: Say, **settings: Any) -> None:
        self._form = form
        self._seed = seed
        self._say = say
        self._folder = folder
        self._kafka = LocalKafka(folder / "kafka")
        self._given = settings
        self._struck: list[Struck] = []

    async def run(self) -> Figures:
        """Run it all. Raises WorkerFailedError, BrokerUnavailable, AssertionError for what does not come back."""
        schedule = make_schedule(self._form, self._seed)
        await self._start_broker()
        settings = self._settings()
        await create_topics(settings)
        load = Load(
            settings, self._seed, self._form.touchpoints_per_second, self._form.inactivity_seconds, 3 * schedule.ends_at
        )
        await load.put_policy_in_force()
        with Supervisor(settings, self._folder) as supervisor:
            began = time()
            await supervised(supervisor, settings, self._play(supervisor, load, schedule, settings))
            seconds = time() - began
        return await self._figures(settings, schedule, supervisor, load, seconds)

    def _settings(self) -> Settings:
        return Settings(
            _env_file=None,
            bootstrap_servers=self._kafka.bootstrap_servers,
            data_dir=self._folder / "data",
            **self._given,
        )

    async def _play(self, supervisor: Supervisor, load: Load, schedule: Schedule, settings: Settings) -> None:
        await wait_until_restored(supervisor)
        async with load.running():
            began = monotonic()
            for blow in schedule.blows:
                await asyncio.sleep(max(0.0, began + blow.at - monotonic()))
                await self._strike(supervisor, blow)
            await asyncio.sleep(max(0.0, began + schedule.ends_at - monotonic()))
        self._say(f"{load.touchpoints:,} touchpoints written; waiting until all is applied")
        await wait_until_applied(settings, supervisor)

    async def _strike(self, supervisor: Supervisor, blow: Blow) -> None:
        partitions: list[int] = []
        at = time()
        if blow.target == BROKER:
            await self._strike_broker(blow)
        elif blow.kind == "join":
            supervisor.start(blow.target)
        elif blow.kind == "leave":
            await self._once_there(supervisor, blow.target)
            supervisor.leave(blow.target)
        else:
            await self._once_there(supervisor, blow.target)
            at = time()
            sign = {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP, "thaw": signal.SIGCONT}[blow.kind]
            partitions = supervisor.strike(blow.target, sign)
        self._struck.append(Struck(at, blow, partitions))
        self._say(f"{blow.at:7.1f} s  {blow.kind} {blow.target} {partitions or ''}".rstrip())

    async def _once_there(self, supervisor: Supervisor, name: str) -> None:
        """Wait for a worker that is between two lives, so that the blow hits."""
        await until(
            lambda: name in supervisor.running, FIRST_RESTORE_SECONDS, lambda: f"{name} did not come back to life"
        )

    async def _strike_broker(self, blow: Blow) -> None:
        if blow.kind == "broker crash":
            await asyncio.to_thread(self._kafka.kill)
        elif blow.kind == "broker outage":
            await asyncio.to_thread(self._kafka.stop, 30.0)
        else:
            await self._start_broker()

    async def _start_broker(self) -> None:
        await asyncio.to_thread(self._kafka.launch, None, self._say)
        servers = self._kafka.bootstrap_servers
        assert servers is not None
        await until(lambda: answers(servers), _BROKER_SECONDS, lambda: "\n".join(self._kafka.log_tail(20)))

    async def _figures(
        self, settings: Settings, schedule: Schedule, supervisor: Supervisor, load: Load, seconds: float
    ) -> Figures:
        report = await verify(settings)
        progress = await read_progress(settings)
        compared = (report.abandonments, report.lifecycle, report.dead_letters)
        for difference in (one for topic in compared for one in topic.differences):
            self._say(difference.text)
        assert report.lag_total == 0, f"{report.lag} offsets are not committed after all workers stopped"
        assert report.counts_add_up, f"{report.counts} of {report.records_read} records"
        return Figures(
            seed=self._seed,
            form=asdict(self._form),
            seconds=round(seconds, 1),
            touchpoints_sent=load.touchpoints,
            input_records=report.records_read,
            counts=asdict(report.counts),
            abandonments=report.abandonments.equal,
            missing=sum(topic.missing for topic in compared),
            extra=sum(topic.extra for topic in compared),
            different=sum(topic.different for topic in compared),
            published_twice=sum(topic.duplicates for topic in compared),
            blows=dict(sorted(Counter(struck.blow.kind for struck in self._struck).items())),
            rebalances=await count_rebalances(settings),
            exit_codes=supervisor.exit_codes,
            last_words=supervisor.last_words,
            producer_failures=load.failures,
            restart_seconds={
                "median": round(median(supervisor.restart_seconds), 2),
                "max": round(max(supervisor.restart_seconds), 2),
            },
            back_seconds=self._back(progress, schedule),
            storm=self._storm(progress, schedule),
        )

    def _back(self, progress: dict[int, list[Progress]], schedule: Schedule) -> dict[str, Any]:
        quiet = [
            struck
            for struck in self._struck
            if struck.blow.kind == "kill" and struck.blow.at < schedule.storm[0] and struck.partitions
        ]
        taken = [round(seconds_until_back(progress, struck.at, struck.partitions), 2) for struck in quiet]
        return {"median": round(median(taken), 2), "max": max(taken), "all": taken} if taken else {}

    def _storm(self, progress: dict[int, list[Progress]], schedule: Schedule) -> dict[str, Any]:
        begin, end = schedule.storm
        inside = [struck for struck in self._struck if struck.blow.kind == "kill" and begin <= struck.blow.at < end]
        if not inside:
            return {}
        begin_at = inside[0].at
        shares = stalled_shares(progress, begin_at, begin_at + end - begin)
        return {
            "kills": len(inside),
            "seconds": round(end - begin, 1),
            "stalled_share": round(mean(shares.values()), 3),
            "stalled_share_by_partition": {number: round(share, 3) for number, share in shares.items()},
        }
