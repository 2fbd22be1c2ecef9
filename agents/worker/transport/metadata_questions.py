"""How often a client of aiokafka asks where partitions are while nobody can say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

_ASK_AGAIN_SECONDS = 0.2


def ask_in_peace(client: Any) -> None:
    """Have a client wait a moment when nobody tells it where the partitions are, or that one of them is led by nobody.

    Its sender asks again at once, hundreds of times a second, which takes up to half a core while a broker or a leader
    is away, and a part of the broker that answers.
    """
    update = client._metadata_update

    async def updated(cluster: Any, topics: Any) -> bool:
        known: bool = await update(cluster, topics)
        if not known or not _all_are_led(cluster, topics or ()):
            await asyncio.sleep(_ASK_AGAIN_SECONDS)
        return known

    client._metadata_update = updated


def _all_are_led(cluster: Any, topics: Iterable[str]) -> bool:
    return all(
        (led := cluster.available_partitions_for_topic(topic)) is not None
        and led == cluster.partitions_for_topic(topic)
        for topic in topics
    )
