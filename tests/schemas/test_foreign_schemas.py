"""Schemas that other writers register, and bodies under them: bounded by the schema and the body alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.schemas.admission import LONGEST_SCHEMA_BYTES, why_not_admitted
from journeys.schemas.catalog import Catalog, own_schemas
from journeys.schemas.codec import HEADER_BYTES, Codec
from journeys.schemas.invalid import InvalidRecordError
from tests.fixtures.record_examples import FULL, INPUTS, OTHERS
from tests.fuzz.foreign_cases import foreign_cases

ROOT = Path(__file__).parent.parent.parent
_SECONDS = 5.0
CODEC = Codec()


@pytest.fixture(scope="module")
def outcomes():
    """What became of each case, in a process of its own with limits, which some of them used to end."""
    command = [sys.executable, "-m", "tests.fuzz.foreign_cases"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    found = {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}
    cases = foreign_cases()
    if done.returncode != 0:
        ended_at = next((case.name for case in cases if case.name not in found), "the end")
        pytest.fail(f"the process ended with {done.returncode} at: {ended_at}\n{done.stderr[-2000:]}")
    return found


def test_row_2_a_schema_that_holds_itself_ends_no_process(outcomes):
    """30,041 bytes under a recursive schema were a segmentation fault of each worker, and of verify."""
    found = outcomes["a record that holds itself, 30,000 deep"]
    assert (found["outcome"], "holds itself" in found["why"]) == ("its schema is refused", True)


def test_row_3_an_array_of_null_hangs_nobody(outcomes):
    """47 bytes that announce 10^12 nulls were a worker that hung, without exit or metrics."""
    found = outcomes["an array of null, 10^12 of them"]
    assert (found["outcome"], "takes no bytes" in found["why"]) == ("its schema is refused", True)


def test_each_case_has_its_outcome(outcomes):
    """No crash, no hang, and the outcome that the schema and the bytes alone decide."""
    expected = {case.name: case.outcome for case in foreign_cases()}
    assert {name: found["outcome"] for name, found in outcomes.items()} == expected
    assert {name for name, found in outcomes.items() if found["seconds"] > _SECONDS} == set()


def test_a_refusal_says_why_in_few_words(outcomes):
    """It ends the reason of each dead letter of the schema."""
    assert {name for name, found in outcomes.items() if not found["why"]} == set()
    assert {len(found["why"]) <= 300 for found in outcomes.values()} == {True}


@pytest.mark.parametrize("record", [*INPUTS, *OTHERS], ids=lambda record: type(record).__name__)
def test_the_walk_ends_where_the_record_does(record):
    """Whatever fastavro writes is walked over to its end, and no part of it is taken for the whole."""
    value = CODEC.encode(record)
    bounded = CODEC.catalog.writer(CODEC.catalog.id_of(type(record).__name__)).bounded
    assert bounded.wanted(value, HEADER_BYTES) == (value[HEADER_BYTES:], len(value))
    for end in range(HEADER_BYTES, len(value)):
        with pytest.raises((IndexError, ValueError)):
            bounded.wanted(value[:end], HEADER_BYTES)


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_whatever_the_bytes_are_the_walk_stays_within_them(body):
    """It ends at most at their end, or says that there is no such record."""
    bounded = CODEC.catalog.writer(CODEC.catalog.id_of("Touchpoint")).bounded
    try:
        _, end = bounded.wanted(body, 0)
    except (IndexError, ValueError):
        return
    assert end <= len(body)


def test_own_schemas_are_admitted():
    """By the same rules as everybody's."""
    assert [why_not_admitted(json.dumps(schema)) for schema in own_schemas().values()] == [None] * len(own_schemas())


def test_a_schema_of_the_greatest_length_is_admitted_and_one_byte_more_is_not():
    """The length is that of its UTF-8."""
    schema = json.dumps(own_schemas()["Touchpoint"], ensure_ascii=False)
    room = LONGEST_SCHEMA_BYTES - len(schema.encode()) - len('"doc2": "", ')
    filled = schema.replace('"doc"', '"doc2": "' + "ä" * (room // 2) + "x" * (room % 2) + '", "doc"', 1)
    assert len(filled.encode()) == LONGEST_SCHEMA_BYTES
    assert why_not_admitted(filled) is None
    assert f"{LONGEST_SCHEMA_BYTES + 1} bytes" in str(why_not_admitted(filled + " "))


def test_a_branch_below_the_first_is_no_branch():
    """Python takes -1 for the last one: an own touchpoint with it was taken as valid."""
    value = CODEC.encode(FULL)
    at = value.index(b"\x02\x08user")
    with pytest.raises(InvalidRecordError, match="Avro of Touchpoint, whole"):
        CODEC.decode_input(value[:at] + b"\x01" + value[at + 1 :])


def test_a_refused_schema_stays_with_its_id():
    """Records of other ids are read on."""
    catalog = Catalog()
    catalog.add(77, [])
    codec = Codec(catalog)
    with pytest.raises(InvalidRecordError, match="77"):
        codec.decode_input(b"\x00\x00\x00\x00\x4d\x00")
    assert codec.decode_input(CODEC.encode(FULL)) == FULL
