"""Chaos of a cluster: three brokers and two workers under load, blows to the brokers, and how long each silences.

Nothing that was acknowledged may be missing from the log, and nothing of the blows may show in the outputs.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from time import time
from typing import Any, Final, NamedTuple

from journeys.agents.kafka.topic_setup import create_topics
from journeys.agents.settings.settings import Settings
from journeys.agents.verify.table_check import check_table
from journeys.agents.verify.verification import verify
from tests.chaos.acknowledged import RememberingProducer, lost
from tests.chaos.broker_blows import OF_THE_NETWORK, BlowKind, BrokerBlow, make_blows, strike, undo, victims
from tests.chaos.load import Load
from tests.chaos.supervised import supervised, wait_until_applied, wait_until_restored
from tests.chaos.supervisor import Supervisor
from tests.chaos.traces import Progress, longest_pauses, read_progress
from tests.fixtures.kafka_cluster import KafkaCluster

_PARTITIONS: Final = 4
_ANSWER_SECONDS: Final = 60.0
_LONGEST_BLOW_SECONDS: Final = 300.0
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ClusterForm:
    """How many blows of each kind, and how much load."""

    blows: Mapping[BlowKind, int]
    settle_seconds: float
    """Between a cluster that is whole again and the next blow."""
    touchpoints_per_second: float
    inactivity_seconds: float


LONG: Final = ClusterForm(
    {
        "leader killed": 6,
        "coordinator killed": 4,
        "controller killed": 4,
        "two killed": 3,
        "leader and worker killed": 3,
        "leader stopped": 3,
        "leader frozen": 3,
        "leader slow": 2,
        "leader cut off": 4,
        "two cut from each other": 3,
    },
    settle_seconds=4,
    touchpoints_per_second=500,
    inactivity_seconds=60,
)


class Struck(NamedTuple):
    """A blow as it happened; instants in epoch seconds."""

    kind: BlowKind
    brokers: list[int]
    at: float
    undone_at: float
    over_at: float
    """When all brokers were there again and in sync."""


@dataclass(frozen=True, slots=True)
class ClusterFigures:
    """What came of a run. Times in seconds."""

    seed: int
    seconds: float
    blows: dict[str, int]
    touchpoints_acknowledged: int
    touchpoints_lost: int
    """Acknowledged, and not in the log."""
    input_records: int
    abandonments: int
    missing: int
    extra: int
    different: int
    published_twice: int
    table_is_right: bool
    open_journeys_compared: int
    exit_codes: dict[str, int]
    last_words: list[str]
    producer_failures: int
    silence_seconds: dict[str, dict[str, Any]]
    """By kind of blow: the longest pause of the slowest partition, and that of all of them at once."""

    @property
    def right(self) -> bool:
        """Whether all is as promised."""
        wrong = (self.touchpoints_lost, self.missing, self.extra, self.different)
        return wrong == (0, 0, 0, 0) and self.table_is_right


class ClusterChaos:
    """A cluster that is whole, workers and load in `folder`, and blows. `settings` go to the workers."""

    def __init__(self, folder: Path, cluster: KafkaCluster, form: ClusterForm, seed: int, say: Say) -> None:
        self._folder = folder
        self._cluster = cluster
        self._form = form
        self._seed = seed
        self._say = say
        self._struck: list[Struck] = []

    async def run(self) -> ClusterFigures:
        """Run it all. Raises WorkerFailedError or AssertionError for what does not come back."""
        settings = self._cluster.settings(data_dir=self._folder / "data", partitions=_PARTITIONS)
        await create_topics(settings)
        blows = make_blows(dict(self._possible()), self._seed, _PARTITIONS)
        acknowledged: set[str] = set()
        load = Load(
            settings,
            self._seed,
            self._form.touchpoints_per_second,
            self._form.inactivity_seconds,
            60 + len(blows) * _LONGEST_BLOW_SECONDS,
            producer=partial(RememberingProducer, acknowledged),
        )
        await load.put_policy_in_force()
        began = time()
        with Supervisor(settings, self._folder) as supervisor:
            await supervised(supervisor, settings, self._play(supervisor, load, blows, settings))
        return await self._figures(settings, supervisor, load, acknowledged, time() - began)

    def _possible(self) -> Iterable[tuple[BlowKind, int]]:
        """Blows to the network only where there is one."""
        for kind, count in self._form.blows.items():
            if kind not in OF_THE_NETWORK or self._cluster.network is not None:
                yield kind, count

    async def _play(self, supervisor: Supervisor, load: Load, blows: Sequence[BrokerBlow], settings: Settings) -> None:
        await wait_until_restored(supervisor)
        async with load.running():
            for blow in blows:
                await asyncio.sleep(self._form.settle_seconds)
                struck = await self._victims(blow, settings.application_id)
                at = time()
                await strike(self._cluster, blow, struck, supervisor)
                undone_at = time()
                await undo(self._cluster, blow, struck)
                await self._cluster.wait_until_whole()
                self._struck.append(Struck(blow.kind, struck, at, undone_at, time()))
                self._say(f"{blow.kind} {struck}: whole again after {time() - at:.1f} s")
            await asyncio.sleep(self._form.settle_seconds)
        self._say(f"{load.touchpoints:,} touchpoints written; waiting until all is applied")
        await wait_until_applied(settings, supervisor)

    async def _victims(self, blow: BrokerBlow, group: str) -> list[int]:
        found: list[list[int]] = []

        async def are_known() -> bool:
            found.append(await victims(self._cluster, blow, group))
            return True

        await self._cluster.wait_until(are_known, "the cluster says whom to strike", _ANSWER_SECONDS)
        return found[0]

    async def _figures(
        self, settings: Settings, supervisor: Supervisor, load: Load, acknowledged: set[str], seconds: float
    ) -> ClusterFigures:
        report = await verify(settings)
        table = await check_table(settings)
        compared = (report.abandonments, report.lifecycle, report.dead_letters)
        for difference in (one for topic in compared for one in topic.differences):
            self._say(difference.text)
        assert report.lag_total == 0, f"{report.lag} offsets are not committed after all workers stopped"
        assert report.counts_add_up, f"{report.counts} of {report.records_read} records"
        return ClusterFigures(
            seed=self._seed,
            seconds=round(seconds, 1),
            blows=dict(Counter(struck.kind for struck in self._struck)),
            touchpoints_acknowledged=len(acknowledged),
            touchpoints_lost=len(await lost(settings, acknowledged)),
            input_records=report.records_read,
            abandonments=report.abandonments.equal,
            missing=sum(topic.missing for topic in compared),
            extra=sum(topic.extra for topic in compared),
            different=sum(topic.different for topic in compared),
            published_twice=sum(topic.duplicates for topic in compared),
            table_is_right=table.ok,
            open_journeys_compared=table.open_journeys,
            exit_codes=supervisor.exit_codes,
            last_words=supervisor.last_words,
            producer_failures=load.failures,
            silence_seconds=silences(self._struck, await read_progress(settings)),
        )


def silences(blows: Sequence[Struck], progress: Mapping[int, Sequence[Progress]]) -> dict[str, dict[str, Any]]:
    """By kind of blow, the longest pauses that began or lasted between the blow and the cluster's being whole again."""
    by_kind: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for struck in blows:
        by_kind[struck.kind].append(longest_pauses(progress, struck.at, struck.over_at))
    return {
        kind: {
            "blows": len(pauses),
            "median": round(median(slowest for slowest, _ in pauses), 1),
            "max": round(max(slowest for slowest, _ in pauses), 1),
            "all_partitions_median": round(median(all_of_them for _, all_of_them in pauses), 1),
            "all_partitions_max": round(max(all_of_them for _, all_of_them in pauses), 1),
            "each": [round(slowest, 1) for slowest, _ in pauses],
        }
        for kind, pauses in sorted(by_kind.items())
    }
