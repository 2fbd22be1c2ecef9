"""The Kafka of a measurement: without any topic, on this machine, gone at the end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Final

from journeys.agents.devserver.broker_unavailable import BrokerUnavailable
from journeys.agents.devserver.kafka_probe import answers
from journeys.agents.devserver.local_kafka import LocalKafka

_START_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.1
# Kafka's default, which the development broker does without: whoever joins a group first waits for the others. Else
# the first of two threads or processes begins with all partitions and is stopped again when the second one comes.
_GROUP_DELAY_MS: Final = 3_000


class MeasuredKafka(LocalKafka):
    """The development broker, for groups of several members."""

    def wait_until_it_answers(self) -> str:
        """Address of clients, once it answers. Raises BrokerUnavailable."""
        servers = self.bootstrap_servers
        assert servers is not None, "what was launched has its ports"
        deadline = monotonic() + _START_SECONDS
        while not answers(servers):
            if not self.running() or monotonic() > deadline:
                tail = "\n".join(self.log_tail(10))
                raise BrokerUnavailable(f"Kafka does not answer within {_START_SECONDS:g} s; its log ends:\n{tail}")
            sleep(_POLL_SECONDS)
        return servers

    def _configure(self, port: int | None) -> None:
        super()._configure(port)
        with self._properties.open("a", encoding="utf-8") as properties:  # of a key that stands twice the last counts
            properties.write(f"\ngroup.initial.rebalance.delay.ms={_GROUP_DELAY_MS}\n")


@contextmanager
def measured_kafka() -> Iterator[tuple[str, Path]]:
    """Give the servers of a Kafka, and a folder for whoever works with it. Raises BrokerUnavailable."""
    folder = Path(tempfile.mkdtemp(prefix="journeys-peers-"))
    kafka = MeasuredKafka(folder / "kafka")
    try:
        kafka.launch(None, lambda _: None)
        yield kafka.wait_until_it_answers(), folder
    finally:
        kafka.discard()
        shutil.rmtree(folder, ignore_errors=True)
