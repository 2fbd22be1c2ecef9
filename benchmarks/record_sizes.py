"""What records take in Kafka's log: bytes of each kind, by touchpoint, of the work of the benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from aiokafka.record.default_records import DefaultRecordBatchBuilder

from benchmarks.open_journeys import open_row
from benchmarks.workload import make_workload
from journeys.schemas.codec import Codec
from journeys.schemas.records import JourneyAbandoned, JourneyLifecycle
from journeys.schemas.rows import journey_key
from journeys.streams.partition.driver import replay_unpunctuated
from journeys.streams.rule.row import stored_columns

_JOURNEYS: Final = 2_000
_RECORDS_IN_A_BATCH: Final = 1_000
_NOW: Final = 1_760_000_000_000


class RecordSizes(NamedTuple):
    """Bytes of a record in an uncompressed batch with its key, and how many outputs a touchpoint brings about."""

    touchpoint_bytes: float
    row_bytes: float
    output_bytes: float
    outputs_per_touchpoint: float


def record_sizes() -> RecordSizes:
    """Sizes by encoding them. The same each time: nothing here is timed."""
    codec = Codec()
    workload = make_workload(_JOURNEYS)
    touchpoints = workload.touchpoints
    outputs: list[JourneyAbandoned | JourneyLifecycle] = []
    for effects in replay_unpunctuated(enumerate(touchpoints), until=touchpoints[-1].occurred_at):
        outputs += effects.abandonments
        outputs += effects.lifecycle
    rows = [open_row(number, _NOW) for number in range(_JOURNEYS)]
    return RecordSizes(
        touchpoint_bytes=_bytes_each([one.journey_id.encode() for one in touchpoints], codec.encode_all(touchpoints)),
        row_bytes=_bytes_each(
            [journey_key(row.journey_id) for row in rows], codec.encode_columns("JourneyRow", stored_columns(rows))
        ),
        output_bytes=_bytes_each([one.journey_id.encode() for one in outputs], [codec.encode(one) for one in outputs]),
        outputs_per_touchpoint=len(outputs) / len(touchpoints),
    )


def _bytes_each(keys: Sequence[bytes], values: Sequence[bytes]) -> float:
    total = 0
    for begin in range(0, len(keys), _RECORDS_IN_A_BATCH):
        batch = DefaultRecordBatchBuilder(
            magic=2,
            compression_type=0,
            is_transactional=False,
            producer_id=-1,
            producer_epoch=-1,
            base_sequence=-1,
            batch_size=1 << 30,
        )
        some = slice(begin, begin + _RECORDS_IN_A_BATCH)
        for offset, (key, value) in enumerate(zip(keys[some], values[some], strict=True)):
            batch.append(offset, timestamp=_NOW, key=key, value=value, headers=[])
        total += len(batch.build())
    return total / len(keys)
