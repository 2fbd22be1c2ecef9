"""TouchpointProducer: invalid touchpoints are refused, acknowledged ones are in the topic once; producers in Java."""

import asyncio
import os
import re
import subprocess
from collections import Counter
from datetime import UTC, datetime
from multiprocessing import get_context
from time import monotonic, sleep

import pytest

from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.partitioner import partition_of
from journeys.schemas.records import Touchpoint
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.left_out import needs_maven
from tests.live.topic_exchange import inputs
from training_orchestrator import NotStartedError, StoreUnavailableError, TouchpointProducer

from .documents import ROOT, blocks, run_python
from .killed_producer import produce

pytestmark = [pytest.mark.broker, pytest.mark.slow]
KILLS = 5


def test_the_page_for_producers_runs_as_it_stands(broker, monkeypatch, tmp_path, capsys):
    """Python's blocks: their records are in the right partitions."""
    settings = emptied(broker)
    monkeypatch.setenv("JOURNEYS_BOOTSTRAP_SERVERS", settings.bootstrap_servers)
    run_python("docs/producer.md")
    assert "cost: " in capsys.readouterr().out
    found = inputs(settings)
    assert sum(map(len, found.values())) == 1000 + 1
    for partition, records in found.items():
        assert {partition_of(record.journey_id.encode(), 4) for record in records} == {partition}


@needs_maven
def test_the_pages_java_runs_as_it_stands(broker, monkeypatch, tmp_path):
    """A record from Java is decoded equally, and is in the partition of its key."""
    settings = emptied(broker)
    monkeypatch.setenv("JOURNEYS_BOOTSTRAP_SERVERS", settings.bootstrap_servers)
    (commands,) = [block for block in blocks("docs/producer.md", "sh") if block.startswith("mvn")]
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", commands],
        cwd=ROOT,
        env=os.environ | {"LIBS": str(tmp_path / "libs")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ((partition, (record,)),) = ((number, records) for number, records in inputs(settings).items() if records)
    assert record == Touchpoint(
        "journey-123",
        None,
        "click-77",
        int(datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC).timestamp() * 1000),
        state="CONSIDERING",
        cost_micros=1_250_000,
    )
    assert partition == partition_of(record.journey_id.encode(), 4)
    said = re.search(r"(\d) \d+\s*$", done.stdout)
    assert said is not None, done.stdout
    assert int(said[1]) == partition


def test_what_was_acknowledged_before_a_kill_is_in_the_topic_once(broker, tmp_path):
    """Killed five times in the middle of its work, and started again."""
    settings = emptied(broker)
    acknowledged = tmp_path / "acknowledged"
    acknowledged.touch()
    context = get_context("forkserver")
    context.set_forkserver_preload(["training_orchestrator.connected.touchpoint_producer", "asyncio"])
    for run in range(KILLS):
        size = acknowledged.stat().st_size
        process = context.Process(target=produce, args=(settings.bootstrap_servers, str(acknowledged), run))
        process.start()
        deadline = monotonic() + 60
        while acknowledged.stat().st_size < size + 4_000:
            assert process.is_alive(), process.exitcode
            assert monotonic() < deadline, "the producer had nothing acknowledged"
            sleep(0.01)
        process.kill()
        process.join()
    named = acknowledged.read_text().split()
    there = Counter(record.touchpoint_id for records in inputs(settings).values() for record in records)
    assert len(named) > 100 * KILLS
    assert {name: there[name] for name in named} == dict.fromkeys(named, 1)


def test_rubbish_is_refused_with_its_field_and_the_rest_goes_on(broker):
    """Nothing of a refused touchpoint is sent, and the producer is as good as before."""
    settings = emptied(broker)
    rubbish = {
        "cost": -5,
        "state": "HAPPY",
        "conversion_probability": 7,
        "propensity": -0.1,
        "touchpoint_id": "",
        "channel": "c" * 1001,
        "occurred_at": datetime(1970, 1, 1, tzinfo=UTC),
    }
    with TouchpointProducer(settings.bootstrap_servers) as producer:
        for field, value in rubbish.items():
            producer.send_blocking("journey", touchpoint_id=f"before {field}")
            with pytest.raises(InvalidRecordError) as refused:
                producer.send_blocking("journey", **({"touchpoint_id": "rubbish"} | {field: value}))
            assert refused.value.field == field
        with pytest.raises(InvalidRecordError) as refused:
            producer.send_blocking("")
        assert refused.value.field == "journey_id"
        producer.flush_blocking()
        assert (producer.sent, producer.acknowledged) == (len(rubbish), len(rubbish))
    there = [record.touchpoint_id for records in inputs(settings).values() for record in records]
    assert there == [f"before {field}" for field in rubbish]


def test_a_kafka_that_is_not_there_is_told(broker):
    """StoreUnavailableError when it opens; a producer that was not opened raises NotStartedError."""
    with pytest.raises(StoreUnavailableError):
        TouchpointProducer("127.0.0.1:1").__enter__()
    with pytest.raises(NotStartedError):
        asyncio.run(TouchpointProducer(broker.bootstrap_servers).send("journey"))
