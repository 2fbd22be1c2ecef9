"""Limits how often a client of aiokafka requests metadata while brokers or leaders are away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

_RETRY_SECONDS = 0.2


def pace_metadata_requests(client: Any) -> None:
    """Make a client wait 0.2 s after a metadata request that fails, or that shows a partition without a leader.

    Without this the sender retries hundreds of times a second while a broker or a leader is away, which takes up to
    half a core, and time of the broker that answers.
    """
    update = client._metadata_update

    async def updated(cluster: Any, topics: Any) -> bool:
        known: bool = await update(cluster, topics)
        if not known or not _all_have_leaders(cluster, topics or ()):
            await asyncio.sleep(_RETRY_SECONDS)
        return known

    client._metadata_update = updated


def _all_have_leaders(cluster: Any, topics: Iterable[str]) -> bool:
    return all(
        (with_leader := cluster.available_partitions_for_topic(topic)) is not None
        and with_leader == cluster.partitions_for_topic(topic)
        for topic in topics
    )
