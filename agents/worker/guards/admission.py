"""Checks whether Kafka still accepts the credentials of a running worker.

Certificates expire and passwords change while connections stay open. Once these are lost, aiokafka retries without end
with the credentials of the start; a new process reads the files again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from journeys.agents.kafka.connection import KafkaRefusedError, KafkaUnreachableError, require_broker
from journeys.agents.worker.ports.worker_exit import WorkerExit, end_now

if TYPE_CHECKING:
    from journeys.agents.settings.settings import Settings

_CHECK_EVERY_SECONDS: Final = 10.0


class Admission:
    """Ends the process when it has no connection and Kafka refuses a new one."""

    def __init__(self, consumer: Callable[[], Any], client_options: dict[str, Any], settings: Settings) -> None:
        """`consumer` gives the current AIOKafkaConsumer, None before there is one."""
        self._consumer = consumer
        self._client_options = client_options
        self._settings = settings

    async def watch(self) -> None:
        """Check every few seconds, without end."""
        while True:
            await asyncio.sleep(_CHECK_EVERY_SECONDS)
            if (consumer := self._consumer()) is not None:
                await self.check(consumer)

    async def check(self, consumer: Any) -> None:
        """Open a new connection if an AIOKafkaConsumer has none, and end the process if Kafka refuses it."""
        if is_connected(consumer):
            return
        try:
            await require_broker(self._settings, self._client_options)
        except KafkaUnreachableError:
            return
        except KafkaRefusedError as error:
            end_now(WorkerExit.FAILED, str(error))


def is_connected(consumer: Any) -> bool:
    """Whether an AIOKafkaConsumer has a connection to any broker."""
    return any(connection.connected() for connection in list(consumer._client._conns.values()))
