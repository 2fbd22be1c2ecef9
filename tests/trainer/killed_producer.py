"""A producer for kill tests: sends touchpoints in batches and writes down the acknowledged ones."""

import os
from itertools import count
from pathlib import Path

from training_orchestrator import TouchpointProducer

_BATCH = 50


def produce(servers: str, acknowledged: str, run: int) -> None:
    """Go on until killed; ids are noted when `flush` has returned."""
    notes = os.open(Path(acknowledged), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with TouchpointProducer(servers) as producer:
        for batch in count():
            names = [f"run-{run}-{batch * _BATCH + number}" for number in range(_BATCH)]
            for name in names:
                producer.send_blocking(f"journey-{name}", cost="0.25", touchpoint_id=name)
            producer.flush_blocking()
            os.write(notes, "".join(f"{name}\n" for name in names).encode())
