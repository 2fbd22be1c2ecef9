"""The work as a Bytewax dataflow: touchpoints by partition, a shard of journeys for each, SQLite snapshots.

    python -m bytewax.run 'benchmarks.peers.bytewax.flow:create_flow()' -r recovery -s 10

One process: its workers are threads that share Python's lock.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.operators import StatefulBatchLogic
from pyruhvro import deserialize_array

from benchmarks.peers.bytewax.abandonments import encoded
from benchmarks.peers.bytewax.progress import Progress
from benchmarks.peers.bytewax.shard import Shard
from journeys.schemas.admission import bare_schema
from journeys.schemas.catalog import own_schemas
from journeys.schemas.codec import HEADER_BYTES, Codec

_READ: Final = (
    "journey_id",
    "user_id",
    "occurred_at",
    "state",
    "cost_micros",
    "conversion_probability",
    "conversion_value_micros",
)
_SOURCE_OPTIONS: Final = {"queued.min.messages": "200000"}
_SINK_OPTIONS: Final = {"linger.ms": "50", "compression.type": "lz4"}
_BATCH_RECORDS: Final = 5_000


class _Journeys(StatefulBatchLogic):  # type: ignore[misc]  # bytewax is not there when types are checked
    """The shard of one partition as Bytewax wants state."""

    def __init__(self, stored: Any, codec: Codec, progress: Progress) -> None:
        self._shard = Shard(stored)
        self._codec = codec
        self._progress = progress
        schema = bare_schema(own_schemas()["Touchpoint"])
        self._schema = json.dumps(schema)
        names = [field["name"] for field in schema["fields"]]
        self._columns = [names.index(name) for name in _READ]

    def on_batch(self, batches: list[list[bytes]]) -> tuple[Iterable[tuple[bytes, bytes]], bool]:
        """Take lists of touchpoints (wire bytes), give abandonments; the state stays."""
        self._progress.begin()
        published: list[tuple[bytes, bytes]] = []
        for values in batches:
            columns = deserialize_array([value[HEADER_BYTES:] for value in values], self._schema).columns
            ended = self._shard.apply(zip(*(columns[at].to_pylist() for at in self._columns), strict=True))
            if ended:
                published += encoded(ended, self._codec)
            self._progress.add(len(values))
        return published, StatefulBatchLogic.RETAIN

    def snapshot(self) -> Any:
        """Give the state."""
        return self._shard.stored()


def create_flow() -> Dataflow:
    """Dataflow for what the environment says."""
    servers = [os.environ["JOURNEYS_BOOTSTRAP_SERVERS"]]
    progress = Progress(int(os.environ["PEER_TOUCHPOINTS"]), Path(os.environ["PEER_FOLDER"]) / "progress.json")
    codec = Codec()
    flow = Dataflow("journeys")
    source = KafkaSource(servers, [os.environ["PEER_INPUT"]], add_config=_SOURCE_OPTIONS, batch_size=_BATCH_RECORDS)
    messages = op.input("touchpoints", flow, source)
    by_partition = op.flat_map_batch("partition", messages, _lists_by_partition)
    abandonments = op.stateful_batch("journeys", by_partition, lambda stored: _Journeys(stored, codec, progress))
    records = op.map("record", abandonments, lambda keyed: KafkaSinkMessage(*keyed[1]))
    op.output("abandonments", records, KafkaSink(servers, os.environ["PEER_OUTPUT"], add_config=_SINK_OPTIONS))
    return flow


def _lists_by_partition(messages: Sequence[Any]) -> Iterable[tuple[str, list[bytes]]]:
    """Keep a batch together on its way to its shard: one item for each touchpoint costs more than the rule."""
    values: defaultdict[int, list[bytes]] = defaultdict(list)
    for message in messages:
        values[message.partition].append(message.value)
    return [(str(partition), listed) for partition, listed in values.items()]
