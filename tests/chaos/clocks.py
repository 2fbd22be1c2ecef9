"""Wrong clocks under load, on one of two workers and on the broker: what they ended too early, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final

from journeys.agents.devserver.kafka_probe import answers
from journeys.agents.devserver.local_kafka import LocalKafka
from journeys.agents.kafka.log_reader import open_log
from journeys.agents.kafka.topic_setup import create_topics
from journeys.agents.settings.settings import Settings
from journeys.agents.verify.table_check import check_table
from journeys.agents.verify.topic_replay import TopicReplay
from journeys.agents.verify.verification import verify
from journeys.agents.worker.ports.worker_exit import WorkerExit
from journeys.schemas.codec import Codec
from journeys.schemas.records import Punctuation
from journeys.schemas.topics import JOURNEY_EVENTS
from tests.chaos.load import Load
from tests.fixtures.other_clock import OtherClock
from tests.live.worker_process import WorkerProcess, Workers

OFFSETS: Final = ("+4d", "+1h", "-1d", "jumping")
PLACES: Final = ("worker", "broker")
_LOAD_SECONDS: Final = 300.0
_TOUCHPOINTS_PER_SECOND: Final = 100.0
_INACTIVITY_SECONDS: Final = 3.0
_RIGHT_SECONDS: Final = 8.0
_JUMPS: Final = ("+4d", "+0", "-1d", "+0", "+1h")
_JUMP_SECONDS: Final = 3.0
_OUT_SECONDS: Final = 120.0
_BROKER_SECONDS: Final = 120.0
_SETTINGS: Final = {"session_timeout_seconds": 15, "freeze_limit_seconds": 7}

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ClockFigures:
    """What came of one wrong clock. Times in seconds."""

    offset: str
    place: str
    out_seconds: float
    """From the moment at which the clock went wrong until a worker had ended because of it."""
    exit_codes: list[int]
    input_records: int
    dead_punctuations: int
    abandonments: int
    earliest_seconds: float
    """The most that an end by deadline lay ahead of the append time of what fired it; below 0: none was early."""
    missing: int
    extra: int
    different: int
    table_is_right: bool


class WrongClock:
    """One run in `folder`: a Kafka, two workers, load, and a clock that goes wrong."""

    def __init__(self, folder: Path, offset: str, place: str, say: Say) -> None:
        self._folder = folder
        self._offset = offset
        self._place = place
        self._say = say
        self._clock = OtherClock(folder / "clock")
        self._kafka = LocalKafka(folder / "kafka")

    async def run(self) -> ClockFigures:
        """Run it all. Raises AssertionError for what does not come back."""
        (self._folder / "kafka").mkdir(exist_ok=True)
        await asyncio.to_thread(self._start_broker)
        settings = Settings(_env_file=None, bootstrap_servers=self._kafka.bootstrap_servers, **_SETTINGS)
        await create_topics(settings)
        load = Load(settings, 1, _TOUCHPOINTS_PER_SECOND, _INACTIVITY_SECONDS, _LOAD_SECONDS)
        await load.put_policy_in_force()
        with Workers(self._folder) as workers:
            out_seconds, codes = await self._go_wrong(workers, settings, load)
            await asyncio.to_thread(workers.wait_until_applied, settings)
        return await self._figures(settings, out_seconds, codes)

    def _start_broker(self) -> None:
        if self._place == "broker":
            with self._clock.for_new_processes():
                self._kafka.launch(None, self._say)
        else:
            self._kafka.launch(None, self._say)
        deadline = monotonic() + _BROKER_SECONDS
        while not answers(str(self._kafka.bootstrap_servers)):
            assert monotonic() < deadline, "\n".join(self._kafka.log_tail(20))

    async def _go_wrong(self, workers: Workers, settings: Settings, load: Load) -> tuple[float, list[int]]:
        """Let the clock go wrong under load, then be right again; gives the seconds until the first exit, and codes."""
        running = [workers.start(settings)]
        if self._place == "worker":
            with self._clock.for_new_processes():
                running.append(workers.start(settings))
        else:
            running.append(workers.start(settings))
        for worker in running:
            await asyncio.to_thread(worker.wait_until_logged, "restored: partitions", _OUT_SECONDS)
        async with load.running():
            await asyncio.sleep(_RIGHT_SECONDS)
            began = monotonic()
            await self._until_out(running)
            out_seconds = monotonic() - began
            self._say(f"{self._place} {self._offset}: out after {out_seconds:.1f} s")
            await asyncio.sleep(_JUMP_SECONDS)
            self._clock.set("+0")
            await asyncio.sleep(_JUMP_SECONDS)  # who looks at it does so once a second
            codes = [worker.exit_code() for worker in running if not worker.is_running]
            for _ in codes:
                workers.start(settings)
            await asyncio.sleep(_RIGHT_SECONDS)
        return out_seconds, codes

    async def _until_out(self, running: list[WorkerProcess]) -> None:
        """Set the clock wrong, again and again where it jumps, until a worker has ended."""
        deadline, jump = monotonic() + _OUT_SECONDS, 0
        while all(worker.is_running for worker in running):
            assert monotonic() < deadline, "no worker ended"
            if self._offset != "jumping":
                self._clock.set(self._offset)
            elif monotonic() >= deadline - _OUT_SECONDS + jump * _JUMP_SECONDS:
                self._clock.set(_JUMPS[jump % len(_JUMPS)])
                jump += 1
            await asyncio.sleep(0.1)

    async def _figures(self, settings: Settings, out_seconds: float, codes: list[int]) -> ClockFigures:
        report, table = await verify(settings), await check_table(settings)
        compared = (report.abandonments, report.lifecycle, report.dead_letters)
        for difference in (one for topic in compared for one in topic.differences):
            self._say(difference.text)
        assert report.counts_add_up, f"{report.counts} of {report.records_read} records"
        return ClockFigures(
            offset=self._offset,
            place=self._place,
            out_seconds=round(out_seconds, 1),
            exit_codes=codes,
            input_records=report.records_read,
            dead_punctuations=report.counts.dead,
            abandonments=report.abandonments.equal,
            earliest_seconds=await _earliest(settings) / 1000,
            missing=sum(topic.missing for topic in compared),
            extra=sum(topic.extra for topic in compared),
            different=sum(topic.different for topic in compared),
            table_is_right=table.ok,
        )


async def _earliest(settings: Settings) -> int:
    """The most (ms) that an end by deadline lay ahead of the append time of the punctuation that fired it."""
    appended = await _append_times(settings)
    ahead = [-(10**9)]
    async for effects in TopicReplay(settings).effects():
        for record in effects.abandonments:
            append_time = appended.get((record.source_partition, record.detected_at))
            if append_time is not None and record.abandonment_reason in ("TIMEOUT", "INACTIVITY"):
                ahead.append(record.abandoned_at - append_time)
    return max(ahead)


async def _append_times(settings: Settings) -> dict[tuple[int | None, int], int]:
    """Append times of the punctuations, by partition and what they say."""
    codec, found = Codec(), {}
    async with open_log(settings, JOURNEY_EVENTS, catalog=codec.catalog) as log:
        for number in range(log.partition_count):
            async for batch in log.read_partition(number):
                for raw, record in zip(
                    batch.records, codec.decode_inputs([raw.value for raw in batch.records]), strict=True
                ):
                    if isinstance(record, Punctuation):
                        found[number, record.at] = raw.timestamp
    return found


def is_right(figures: ClockFigures) -> bool:
    """Whether nothing was lost, invented, decided otherwise or early by more than a minute, and a worker said so."""
    return (
        (figures.missing, figures.extra, figures.different) == (0, 0, 0)
        and figures.table_is_right
        and figures.earliest_seconds <= 60
        and set(figures.exit_codes) == {WorkerExit.CLOCK}
    )
