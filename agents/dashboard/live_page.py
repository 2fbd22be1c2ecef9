"""The page over a live Kafka: reads the topic, looks at its ends, and serves, until it is interrupted."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

from journeys.agents.dashboard.checking import Checked, LastCheck, compared_topics
from journeys.agents.dashboard.journey_index import JourneyIndex
from journeys.agents.dashboard.page_server import PageServer
from journeys.agents.dashboard.serving import serve
from journeys.agents.dashboard.topic_source import TopicSource
from journeys.agents.kafka.log_reader import open_log
from journeys.agents.settings.settings import Settings
from journeys.agents.verify.verification import verify
from journeys.schemas.topics import JOURNEY_EVENTS
from journeys.streams.rule.policy import Policy


async def serve_topic(
    settings: Settings,
    policies: list[Policy],
    host: str,
    port: int,
    tls: ssl.SSLContext | None,
    ready: Callable[[str], None],
) -> None:
    """Index the input topic and serve the page; arguments as for `serve`.

    Raises OperationError: no such topic, no Kafka, records that were deleted, an address that is taken.
    """
    async with open_log(settings, JOURNEY_EVENTS, catalog=None) as log:
        log.require_complete()
        index = JourneyIndex(log.partition_count)
    source = TopicSource(settings, index)
    server = PageServer(
        index, settings.topic(JOURNEY_EVENTS), policies, host, lambda: source.now, _verification(settings)
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(source.look())
        tasks.create_task(source.follow())
        tasks.create_task(serve(server, host, port, tls, ready))


def _verification(settings: Settings) -> LastCheck:
    async def check() -> Checked:
        report = await verify(settings, shown=0)
        lag = f"{report.lag_total:,} input records were not processed yet." if report.lag_total else None
        topics = (report.abandonments, report.lifecycle, report.dead_letters)
        return Checked(report.ok, compared_topics(topics), lag)

    return LastCheck(check, "journeys verify")
