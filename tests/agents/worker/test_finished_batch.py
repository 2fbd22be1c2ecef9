"""Batches that the engine has finished are those that aiokafka's own builder makes, byte by byte."""

from __future__ import annotations

import inspect
import re
from typing import Any, TypeAlias

import pytest
from aiokafka.producer import message_accumulator
from aiokafka.producer.message_accumulator import BatchBuilder
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.agents.worker.transport.finished_batch import FinishedBatch
from journeys.streams.compiled.encoded_messages import EncodedMessages
from tests.fixtures.examples import examples
from tests.fixtures.left_out import left_out

compiled_engine = pytest.importorskip("journeys.engine", reason=left_out("engine"))

Outputs: TypeAlias = list[tuple[bytes, bytes]]

_AT = 1_760_000_000_000
_HEAD = b"\0\0\0\0\1"
_bytes = st.binary(max_size=20) | st.binary(min_size=120, max_size=140)
_outputs = st.lists(st.tuples(_bytes, _bytes), min_size=1, max_size=80)
_LONGEST = 1 << 14
"""The first length that Arrow's table of lengths has not."""


def _messages(outputs: Outputs) -> EncodedMessages[tuple[bytes, bytes]]:
    engine = compiled_engine.Engine(0, 1, _HEAD, _HEAD, _HEAD)
    engine.add_lifecycle(outputs)
    return EncodedMessages(engine.take_lifecycle(), tuple)


def _filled(outputs: list[tuple[bytes, bytes]], begin: int, most_bytes: int) -> tuple[BatchBuilder, int]:
    builder = BatchBuilder(most_bytes, 0)
    for end in range(begin, len(outputs)):
        if builder.append(timestamp=_AT, key=outputs[end][0], value=outputs[end][1]) is None:
            return builder, end
    return builder, len(outputs)


@settings(max_examples=examples(1_000), deadline=None)
@given(
    outputs=_outputs,
    most_bytes=st.integers(61, 2_000),
    producer=st.tuples(st.integers(-1, 2**62), st.integers(-1, 2**15 - 1), st.integers(-1, 2**31 - 1)),
)
def test_batches_are_those_of_aiokafka(outputs: Outputs, most_bytes: int, producer: tuple[int, int, int]) -> None:
    """The same records in each, the same bytes, whoever sends them; and the same again where a send is repeated."""
    _are_those_of_aiokafka(_messages(outputs), outputs, most_bytes, producer)


@pytest.mark.parametrize("most_bytes", [1 << 13, 1 << 20])
def test_long_messages_and_many_are_sent(most_bytes: int) -> None:
    """Where lengths take one, two, three and four bytes, and where a message alone is more than a batch should be."""
    lengths = [
        edge + more for edge in (0, 64, 1 << 13, _LONGEST, 1 << 20) for more in (-10, -1, 0, 1) if edge + more >= 0
    ]
    outputs = [(b"k" * min(length, 100), b"v" * length) for length in lengths] + [(b"key", b"value")] * 9_000
    _are_those_of_aiokafka(_messages(outputs), outputs, most_bytes, (7, 1, 5))


def _are_those_of_aiokafka(
    messages: EncodedMessages[tuple[bytes, bytes]], outputs: Outputs, most_bytes: int, producer: tuple[int, int, int]
) -> None:
    assert list(messages) == outputs
    assert [messages[index] for index in range(len(messages))] == outputs
    begin = 0
    while begin < len(outputs):
        theirs, expected_end = _filled(outputs, begin, most_bytes)
        batch, end = messages.record_batch(begin, most_bytes, _AT)
        ours = FinishedBatch(batch, end - begin)
        assert end == expected_end
        assert (ours.record_count(), ours.size()) == (theirs.record_count(), theirs.size())
        for one in (ours, theirs):
            one._set_producer_state(*producer)
        sent = bytes(ours._build())
        assert sent == bytes(theirs._build())
        assert bytes(ours._build()) == sent
        begin = end


def test_there_is_no_batch_of_no_message() -> None:
    """Kafka refuses one, and aiokafka would take it for sent."""
    messages = _messages([(b"key", b"value")])
    with pytest.raises(ValueError, match="no message 1"):
        messages.record_batch(1, 1_000, _AT)


def test_aiokafka_asks_no_more_of_a_builder_than_a_finished_batch_answers() -> None:
    """Whatever it asks of its own, where batches wait to be sent."""
    waiting = (message_accumulator.MessageBatch, message_accumulator.MessageAccumulator)
    asked: set[Any] = set()
    for kind in waiting:
        asked |= set(re.findall(r"_builder\.(\w+)", inspect.getsource(kind)))
    assert {"_set_producer_state", "_build", "record_count", "append"} <= asked
    assert {name for name in asked if not hasattr(FinishedBatch, name)} == set()
