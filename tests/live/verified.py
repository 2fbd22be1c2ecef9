"""The proof at the end of each test: live equals replay."""

import asyncio

from journeys.agents.kafka.log_reader import open_log
from journeys.agents.settings.settings import Settings
from journeys.agents.verify.verification import VerifyReport, verify
from journeys.schemas.topics import DEAD_LETTERS, JOURNEY_ABANDONMENTS, JOURNEY_EVENTS, JOURNEY_LIFECYCLE


def verified(settings: Settings) -> tuple[VerifyReport, dict[str, int]]:
    """Verify: 0 missing, 0 extra, 0 different, every record counted; with the messages of each output topic."""
    return asyncio.run(_verified(settings))


async def _verified(settings: Settings) -> tuple[VerifyReport, dict[str, int]]:
    read = await _message_count(settings, JOURNEY_EVENTS)
    published = {
        topic: await _message_count(settings, topic)
        for topic in (JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE, DEAD_LETTERS)
    }
    report = await verify(settings)
    compared = (report.abandonments, report.lifecycle, report.dead_letters)
    assert [(topic.topic, topic.missing, topic.extra, topic.different) for topic in compared] == [
        (topic, 0, 0, 0) for topic in published
    ], "\n".join([str(report.counts), *(difference.text for topic in compared for difference in topic.differences)])
    assert report.counts_add_up, f"{report.counts} of {report.records_read} records"
    assert report.records_read >= read > 0
    return report, published


async def _message_count(settings: Settings, topic: str) -> int:
    async with open_log(settings, topic, catalog=None) as log:
        return sum(log.end_offsets.values()) - sum(log.start_offsets.values())
