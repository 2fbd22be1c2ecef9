"""A worker in which input partition 0 is never fetched, as after some of Faust's rebalances (faust #629).

Started as a program, with the settings of its environment. Its watchdog looks five times a second, and is patient for
three seconds.
"""

from collections.abc import Mapping
from typing import Any

from journeys.agents.worker.guards import patience
from journeys.agents.worker.transport.batch_transport import BatchConsumer
from journeys.cli.main import app

_SILENT = 0
_fetch = BatchConsumer._getmany


async def _fetch_others(
    consumer: BatchConsumer,
    active_partitions: Any,
    timeout: float,  # noqa: ASYNC109  (Faust's signature)
) -> Mapping[Any, list[Any]]:
    silent = {tp for tp in active_partitions if tp.topic == consumer.app.input_topic and tp.partition == _SILENT}
    return await _fetch(consumer, active_partitions - silent, timeout)


if __name__ == "__main__":
    patience.CHECK_EVERY_SECONDS = 0.2
    patience.STUCK_AFTER_SECONDS = 3.0
    BatchConsumer._getmany = _fetch_others
    app()
