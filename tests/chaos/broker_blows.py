"""Blows to the brokers of a cluster: whom each kind strikes, and how it is undone."""

from __future__ import annotations

import asyncio
import signal
from random import Random
from typing import Final, Literal, NamedTuple

from journeys.schemas.topics import JOURNEY_EVENTS
from tests.chaos.schedule import RESIDENTS
from tests.chaos.supervisor import Supervisor
from tests.fixtures.kafka_cluster import KafkaCluster

BlowKind = Literal[
    "leader killed",
    "coordinator killed",
    "controller killed",
    "two killed",
    "leader and worker killed",
    "leader stopped",
    "leader frozen",
    "leader slow",
    "leader cut off",
    "two cut from each other",
]
OF_THE_NETWORK: Final = frozenset({"leader cut off", "two cut from each other"})
# Longer than the cluster waits for a broker that says nothing; what the cluster may not notice lasts longer than a
# worker's session, too.
_AWAY_SECONDS: Final = 6.0
_LASTS_SECONDS: Final = 12.0
# A broker that stands still for most of each second is slow, and is not taken for dead.
_STANDS_SECONDS: Final = 0.7
_MOVES_SECONDS: Final = 0.3


class BrokerBlow(NamedTuple):
    """A kind, and the numbers that choose whom it strikes where the kind leaves that open."""

    kind: BlowKind
    partition: int
    worker: str


def make_blows(counts: dict[BlowKind, int], seed: int, partition_count: int) -> list[BrokerBlow]:
    """Give so many blows of each kind, in an order that only the seed decides."""
    random = Random(seed)
    kinds: list[BlowKind] = [kind for kind, count in counts.items() for _ in range(count)]
    random.shuffle(kinds)
    return [BrokerBlow(kind, random.randrange(partition_count), random.choice(RESIDENTS)) for kind in kinds]


async def victims(cluster: KafkaCluster, blow: BrokerBlow, group: str) -> list[int]:
    """Node ids of the brokers that a blow is for, as the cluster stands now."""
    if blow.kind == "coordinator killed":
        return [await cluster.coordinator(group)]
    if blow.kind == "controller killed":
        return [await cluster.controller()]
    leader = await cluster.leader(JOURNEY_EVENTS, blow.partition)
    if blow.kind in {"two killed", "two cut from each other"}:
        return [leader, leader % len(cluster.nodes) + 1]
    return [leader]


async def strike(cluster: KafkaCluster, blow: BrokerBlow, struck: list[int], supervisor: Supervisor) -> None:
    """Strike, and return when the blow is to be undone."""
    nodes = [cluster.nodes[number] for number in struck]
    match blow.kind:
        case "leader stopped":
            await asyncio.to_thread(nodes[0].stop, 30.0)
            return
        case "leader frozen":
            nodes[0].freeze()
        case "leader slow":
            for _ in range(round(_LASTS_SECONDS)):
                nodes[0].freeze()
                await asyncio.sleep(_STANDS_SECONDS)
                nodes[0].thaw()
                await asyncio.sleep(_MOVES_SECONDS)
            return
        case "leader cut off" | "two cut from each other":
            assert cluster.network is not None
            if len(struck) == 1:
                cluster.network.cut_off(struck[0])
            else:
                cluster.network.cut(*struck)
        case _:
            await asyncio.gather(*(asyncio.to_thread(node.kill) for node in nodes))
            if blow.kind == "leader and worker killed" and blow.worker in supervisor.running:
                supervisor.strike(blow.worker, signal.SIGKILL)
            await asyncio.sleep(_AWAY_SECONDS)
            return
    await asyncio.sleep(_LASTS_SECONDS)


async def undo(cluster: KafkaCluster, blow: BrokerBlow, struck: list[int]) -> None:
    """Bring back what was struck, without waiting for it."""
    if blow.kind in OF_THE_NETWORK:
        assert cluster.network is not None
        cluster.network.heal()
    for number in struck:
        node = cluster.nodes[number]
        if node.running():
            node.thaw()
        else:
            await asyncio.to_thread(node.launch, None, lambda _: None)
