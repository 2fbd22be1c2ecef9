"""Copies of logs with marks and corrected clocks decide as the old logs do."""

import json
import random

import pytest

from journeys.schemas.catalog import own_schemas
from journeys.schemas.codec import prefix_of
from journeys.schemas.marks import mark_headers, mark_value
from journeys.schemas.records import ClockCorrected, OffsetSkipped, Punctuation, SchemaDecided, Touchpoint

from .old_logs import BEGIN, CODEC, DAY, HOUR, abandonments, copied, on_time_log
from .test_group_copy import LAST, SEEDS, undated

FOREIGN_ID, REFUSED_ID = 4711, 4712
HEAD_BYTES = len(prefix_of(FOREIGN_ID))
COUNTS = [(4, 4), (4, 16), (16, 4), (4, 6)]


def with_marks(log, chance, *, marked=True):
    """Touchpoints under ids that no catalog knows, and then marks: on those ids, and on one touchpoint in twenty."""
    own = prefix_of(CODEC.catalog.id_of("Touchpoint"))
    marks = [
        SchemaDecided(FOREIGN_ID, json.dumps(own_schemas()["Touchpoint"])),
        SchemaDecided(REFUSED_ID, None, "the registry refused it"),
    ]
    for number, records in enumerate(log.partitions):
        skipped = []
        for offset, record in enumerate(records):
            if not (record.value or b"").startswith(own):
                continue
            draw = chance.random()
            if draw < 0.3:
                head = prefix_of(FOREIGN_ID if draw < 0.2 else REFUSED_ID)
                records[offset] = record._replace(value=head + record.value[HEAD_BYTES:])
            elif draw < 0.4:
                skipped.append(OffsetSkipped(offset, "it killed every worker"))
        last = max((record.timestamp for record in records), default=BEGIN)
        for mark in (*marks, *skipped) if marked else ():
            log.add(number, None, mark_value(mark), last, mark_headers(mark))
    return log


@pytest.mark.parametrize("counts", COUNTS, ids=str)
def test_a_copy_reads_its_log_as_the_marks_say(counts):
    """What a mark skips or refuses is left out, what it explains is copied under the present schema."""
    old_count, new_count = counts
    for seed in SEEDS:
        log = with_marks(on_time_log(old_count, seed), random.Random(seed))
        without = with_marks(on_time_log(old_count, seed), random.Random(seed), marked=False)
        was = abandonments(log, LAST)
        assert was != abandonments(without, LAST)  # the marks decide something
        new = copied(log, new_count, chance=random.Random(seed))
        assert undated(abandonments(new, LAST)) == undated(was), seed
        assert not any(record.headers[0][0] == "mark" for part in new.partitions for record in part)


@pytest.mark.parametrize("counts", [(4, 4), (4, 16)], ids=str)
def test_a_split_corrects_the_clock_where_the_old_log_does(counts):
    """A clock ahead has ended journeys; what came after its correction is decided by the corrected one."""
    old_count, new_count = counts
    for seed in SEEDS:
        log = on_time_log(old_count, seed)
        now = max(record.timestamp for part in log.partitions for record in part)
        ahead = now + 4 * DAY
        log.say(Punctuation(ahead, "live", "a clock that is ahead"), ahead, *range(old_count))
        log.say(ClockCorrected(now, "somebody", "a test"), ahead, *range(old_count))
        for journey in sorted({record.key.decode() for part in log.partitions for record in part if record.key}):
            log.say(Touchpoint(journey, "u", f"after-{journey}", now + HOUR), ahead)
        was = abandonments(log, now + 30 * DAY)
        assert any(record.started_at == now + HOUR for record in was.values())  # not late any more
        assert abandonments(copied(log, new_count), now + 30 * DAY) == was, seed
