"""Outages: Kafka, or one of its topics, takes nothing for a while; what the worker does meanwhile and afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Final, Literal, NamedTuple

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from journeys.agents.devserver.kafka_probe import answers
from journeys.agents.devserver.local_kafka import LocalKafka
from journeys.agents.kafka.connection import admin
from journeys.agents.kafka.record_producer import RecordProducer
from journeys.agents.kafka.topic_setup import create_topics
from journeys.agents.settings.settings import Settings
from journeys.agents.verify.verification import verify
from journeys.schemas.records import JourneySignal
from journeys.schemas.topics import JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE
from tests.chaos.load import Load
from tests.chaos.traces import applied_offsets
from tests.fixtures.kafka_cluster import KafkaCluster
from tests.live.worker_process import WorkerProcess, Workers

Kind = Literal["broker stopped", "broker frozen", "outputs refused"]
KINDS: Final[tuple[Kind, ...]] = ("broker stopped", "broker frozen", "outputs refused")
_OUTPUTS: Final = (JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE)
_NOTE: Final = "n" * 9_000
_SAMPLE_SECONDS: Final = 0.25
_BROKER_SECONDS: Final = 60.0
_BACK_SECONDS: Final = 90.0
_LOAD_SECONDS: Final = 3.0
_LONGEST_LOAD_SECONDS: Final = 300.0
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class OutageFigures:
    """What came of one outage. Memory of the worker's process (RSS) in MiB, sampled four times a second."""

    kind: str
    seconds: float
    waiting_mb: float
    """Input that was there to be read during the outage."""
    rss_before_mb: float
    rss_during_mb: float
    """The most."""
    rss_after_mb: float
    """When all was applied."""
    cpu_share_during: float
    """CPU time of the worker's process by wall time, all its threads, 1 for a whole core."""
    applied_during: int
    """Input offsets that the worker claimed to have applied during the outage, beyond its first second."""
    back_seconds: float
    """From the end of the outage until a partition row moves on."""
    input_records: int
    missing: int
    extra: int
    different: int
    published_twice: int


class Seen(NamedTuple):
    """What was seen of a worker during an outage: most memory in MiB, share of a core, offsets applied.

    The first second does not count for the offsets: what was under way ends in it.
    """

    most_mb: float
    cpu_share: float
    applied: int


class Outage:
    """One worker, an outage of `seconds`, and the proof afterwards. The Kafka runs already.

    Outputs can be refused by a cluster of three brokers alone: fewer replicas are never wanted than there are.
    """

    def __init__(self, folder: Path, kafka: LocalKafka | KafkaCluster, settings: Settings) -> None:
        self._folder = folder
        self._kafka = kafka
        self._settings = settings

    async def run(self, kind: Kind, seconds: float, waiting_mb: float = 0.0) -> OutageFigures:
        """Without outputs, `waiting_mb` of input wait to be read; a broker that is away meets a steady load.

        Raises AssertionError where the worker ends or does not come back.
        """
        await create_topics(self._settings)
        with Workers(self._folder) as workers:
            if kind == "outputs refused":
                return await self._refused(workers, kind, seconds, waiting_mb)
            return await self._away(workers, kind, seconds)

    async def _refused(self, workers: Workers, kind: Kind, seconds: float, waiting_mb: float) -> OutageFigures:
        worker = workers.start(self._settings)
        await asyncio.to_thread(worker.wait_until_logged, "restored: partitions")
        async with self._without_outputs():
            before = rss_mb(worker)
            await write_big_records(self._settings, int(waiting_mb * _MIB / len(_NOTE)))
            seen = await self._watch(worker, seconds)
        return await self._afterwards(workers, worker, kind, seconds, waiting_mb, before, seen)

    async def _away(self, workers: Workers, kind: Kind, seconds: float) -> OutageFigures:
        worker = workers.start(self._settings)
        await asyncio.to_thread(worker.wait_until_logged, "restored: partitions")
        load = Load(self._settings, 1, 1_000, 20, _LONGEST_LOAD_SECONDS + seconds)
        await load.put_policy_in_force()
        async with load.running():
            await asyncio.sleep(_LOAD_SECONDS)
            before = rss_mb(worker)
            async with self._broker_away(kind):
                seen = await self._watch(worker, seconds, reads_log=False)
            await asyncio.sleep(_LOAD_SECONDS)
        return await self._afterwards(workers, worker, kind, seconds, 0.0, before, seen)

    @asynccontextmanager
    async def _without_outputs(self) -> AsyncIterator[None]:
        """Nothing was published yet, and now Kafka refuses what is; the input can be read all the while.

        The outputs want all three replicas in sync, and a broker is away; the other topics are content with two.
        """
        assert isinstance(self._kafka, KafkaCluster)
        outputs = [topic for topic in self._settings.topics if topic.name in _OUTPUTS]
        wanted = {"min.insync.replicas": str(len(self._kafka.nodes))}
        async with admin(self._settings) as client:
            await client.alter_configs(
                [
                    ConfigResource(ConfigResourceType.TOPIC, topic.name, {**topic.settings, **wanted})
                    for topic in outputs
                ]
            )
        coordinator = await self._kafka.coordinator(self._settings.application_id)
        away = next(node for number, node in self._kafka.nodes.items() if number != coordinator)
        await asyncio.to_thread(away.stop, _BROKER_SECONDS)
        try:
            yield
        finally:
            await self._kafka.heal()

    @asynccontextmanager
    async def _broker_away(self, kind: Kind) -> AsyncIterator[None]:
        assert isinstance(self._kafka, LocalKafka)
        pid = self._kafka.pid
        assert pid is not None
        if kind == "broker frozen":
            os.kill(pid, signal.SIGSTOP)
        else:
            await asyncio.to_thread(self._kafka.stop, 30.0)
        try:
            yield
        finally:
            if kind == "broker frozen":
                os.kill(pid, signal.SIGCONT)
            else:
                await asyncio.to_thread(self._kafka.launch, None, lambda _: None)
            servers = self._kafka.bootstrap_servers
            assert servers is not None
            deadline = monotonic() + _BROKER_SECONDS
            while not await asyncio.to_thread(answers, servers):
                assert monotonic() < deadline, "the broker did not come back"

    async def _watch(self, worker: WorkerProcess, seconds: float, *, reads_log: bool = True) -> Seen:
        """Look at the worker for a while."""
        began, cpu_before = monotonic(), cpu_seconds(worker)
        most, first = rss_mb(worker), None
        while monotonic() < began + seconds:
            worker.require_running()
            most = max(most, rss_mb(worker))
            if reads_log and first is None and monotonic() > began + 1:
                first = await self._applied()
            await asyncio.sleep(_SAMPLE_SECONDS)
        cpu_share = (cpu_seconds(worker) - cpu_before) / (monotonic() - began)
        return Seen(most, cpu_share, (await self._applied() - first) if first is not None else 0)

    async def _applied(self) -> int:
        """Sum of the offsets that the partition rows stand for."""
        return sum((await applied_offsets(self._settings)).values())

    async def _afterwards(
        self,
        workers: Workers,
        worker: WorkerProcess,
        kind: Kind,
        seconds: float,
        waiting_mb: float,
        before: float,
        seen: Seen,
    ) -> OutageFigures:
        began = monotonic()
        at_end = await self._applied()
        while await self._applied() == at_end:
            worker.require_running()
            assert monotonic() < began + _BACK_SECONDS, worker.told("did not go on after the outage")
        back_seconds = monotonic() - began
        await asyncio.to_thread(workers.wait_until_applied, self._settings)
        worker.require_running()
        after = rss_mb(worker)
        await asyncio.to_thread(worker.stop)
        # What was punctuated while it stopped is still to be applied, and then the log must rest.
        quiet = workers.start(self._settings, punctuation_interval_seconds=60)
        await asyncio.to_thread(quiet.wait_until_logged, "restored: partitions")
        await asyncio.to_thread(workers.wait_until_applied, self._settings)
        await asyncio.to_thread(quiet.stop)
        report = await verify(self._settings)
        assert report.lag_total == 0, f"{report.lag} offsets are not committed after all workers stopped"
        compared = (report.abandonments, report.lifecycle, report.dead_letters)
        figures: dict[str, Any] = {
            what: sum(getattr(topic, what) for topic in compared) for what in ("missing", "extra", "different")
        }
        return OutageFigures(
            kind=kind,
            seconds=seconds,
            waiting_mb=waiting_mb,
            rss_before_mb=round(before, 1),
            rss_during_mb=round(seen.most_mb, 1),
            rss_after_mb=round(after, 1),
            cpu_share_during=round(seen.cpu_share, 3),
            applied_during=seen.applied,
            back_seconds=round(back_seconds, 1),
            input_records=report.records_read,
            published_twice=sum(topic.duplicates for topic in compared),
            **figures,
        )


async def write_big_records(settings: Settings, count: int) -> None:
    """Write records of 9 KB that open nothing: each is refused, which is an output."""
    async with RecordProducer(settings) as producer:
        for number in range(count):
            await producer.send(
                JourneySignal(
                    f"nobody-{number}", 1_760_000_000_000 + number, "fatigue", f"signal-{number}", None, _NOTE
                )
            )


def cpu_seconds(worker: WorkerProcess) -> float:
    """User and system time of a worker's process so far."""
    # The name of the program stands in parentheses and may hold blanks.
    fields = Path(f"/proc/{worker.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mb(worker: WorkerProcess) -> float:
    """Memory of a worker's process now, in MiB."""
    for line in Path(f"/proc/{worker.pid}/status").read_text("utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(worker.told("has no memory"))
