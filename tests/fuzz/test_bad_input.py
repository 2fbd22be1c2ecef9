"""Bad input in its short form: every named case, and what hypothesis makes of them. `make fuzz` is the long one."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from journeys.agents.history.line_files import LineFile
from journeys.schemas.codec import Codec
from journeys.schemas.invalid import InvalidRecordError
from journeys.streams.rule.policy import InvalidPolicyError, policy_from_json
from tests.fuzz.bad_values import bad_values
from tests.fuzz.foreign_cases import DEAD_LETTER as FOREIGN_DEAD_LETTER
from tests.fuzz.foreign_cases import REFUSED_SCHEMA
from tests.fuzz.foreign_cases import TAKEN as FOREIGN_TAKEN
from tests.fuzz.foreign_random import MEMORY_MIB, tried
from tests.fuzz.logs import try_log
from tests.fuzz.targets import DEAD_LETTER, REFUSED, TAKEN, TARGETS

_EXAMPLES = 60
_LONGEST = 2_000
_FOREIGN = 600


@pytest.mark.parametrize("name", TARGETS)
def test_every_named_case_is_accounted_for(name):
    """No crash, no hang; valid ones are taken, and most bad ones are refused."""
    target = TARGETS[name]
    taken = sum((target.try_input(data) for data in target.good()), Counter())
    assert taken[TAKEN] > 0
    if name != "processor":  # a log of the valid ones one after the other holds two times and two policies of one name
        assert not REFUSED & taken.keys()
    tallies = {case: target.try_input(data) for case, data in target.bad().items()}
    refused = [case for case, tally in tallies.items() if REFUSED & tally.keys()]
    assert len(refused) > len(tallies) * 0.4


@st.composite
def mutated(draw, seeds):
    """A case with some of its bytes replaced, left out, repeated or put in, or cut off."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        behind = at + draw(st.integers(0, 8))
        between = draw(st.sampled_from((b"", data[at:behind] * 2)) | st.binary(max_size=6))
        data = data[:at] + between + data[behind:]
    return data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_made_of_them_is_accounted_for(name):
    """The same must hold of whatever bytes there are."""
    target = TARGETS[name]
    seeds = [data for data in [*target.good(), *target.bad().values()] if len(data) <= _LONGEST]

    @given(mutated(seeds))
    @settings(max_examples=_EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def accounted(data):
        target.try_input(data)

    accounted()


def test_rows_2_and_3_random_schemas_of_others_harm_nobody():
    """Whatever a registry gives, and what lies under it: no crash, no hang, little memory, each accounted for."""
    found = tried(_FOREIGN, 7)
    assert found.accounted.total() == _FOREIGN
    assert found.accounted.keys() == {REFUSED_SCHEMA, FOREIGN_DEAD_LETTER, FOREIGN_TAKEN}
    assert found.most_mib < MEMORY_MIB


# What fuzzing has found, one test each, beside its named case.


def test_a_reason_is_the_same_each_time():
    """Fastavro names an address in memory: a dead letter of a cut number differed from the replay's."""
    value = next(value for name, value in bad_values().items() if name.startswith("Touchpoint cut off at 60 of "))
    with pytest.raises(InvalidRecordError) as caught:
        Codec().decode_input(value)
    assert "0x" not in str(caught.value).replace(r"\x", "")
    assert str(caught.value).endswith("expected Avro of Touchpoint, whole and in UTF-8")


@pytest.mark.parametrize("rule", ['"fatigue":{"window_hours":1,', '"extension":{"extend_by_days":1,'])
@pytest.mark.parametrize("number", ["1e999999999", "1e-999999999", "5.0", '"5"'])
def test_a_count_of_a_billion_digits(rule, number):
    """Pydantic wrote it out to see whether it is whole, and every worker of the log would have stood still."""
    with pytest.raises(InvalidPolicyError, match=r"touchpoints: .* valid integer"):
        policy_from_json('{"version":"a",' + rule + '"touchpoints":' + number + "}}")


def test_a_parquet_column_whose_name_is_no_utf8(tmp_path):
    """It was a traceback in place of an error that names the file."""
    path = tmp_path / "x.parquet"
    path.write_bytes(TARGETS["parquet"].bad()["a column's name that is no UTF-8"])
    with pytest.raises(Exception, match=r"x\.parquet: not Parquet: 'utf-8' codec"):
        list(LineFile(str(path)).records())


def test_two_records_in_one_value_are_one_dead_letter():
    """The second was dropped in silence."""
    value = bad_values()["two records in one value"]
    assert try_log([(b"j", None, value)]) == Counter({DEAD_LETTER: 1})
