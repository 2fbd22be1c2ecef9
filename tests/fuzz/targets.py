"""What takes bytes that others wrote, each with what must hold whatever they are.

A target tries one input and says how each part of it was accounted for. Anything but that, an exception or an
assertion, is a crash.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir

from journeys.agents.history.line_files import BadLine, LineFile, UnreadableFileError
from journeys.agents.settings.policy_file import load_policy
from journeys.schemas.codec import Codec
from journeys.schemas.columns import WORTHWHILE
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.partial_record import read_partly
from journeys.schemas.records import JourneyCommand, PolicyChanged, Punctuation
from journeys.schemas.validation import validate
from journeys.streams.rule.policy import InvalidPolicyError, Policy, policy_from_json
from tests.fixtures.record_examples import FULL, SMALL, T0
from tests.fuzz import bad_tables, bad_texts, bad_values
from tests.fuzz.logs import try_log
from tests.fuzz.packed_log import bad_logs, good_logs, try_packed

CODEC = Codec()
TAKEN = "taken as valid"
DEAD_LETTER = "a dead letter with its origin"
BAD_LINE = "a bad line with its number"
BAD_FILE = "a file refused with the reason"
BAD_POLICY = "a policy refused with the reason"
NOTHING = "nothing in it"
REFUSED = frozenset({DEAD_LETTER, BAD_LINE, BAD_FILE, BAD_POLICY})
_REFUSED_CHARACTERS = 1_500
_MOST_REASONS = 20  # a policy names up to so many wrong keys
# In memory where there is such a place: a disk is not what is being tried.
_FOLDER = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(gettempdir())  # noqa: S108  (names of our own)
_GOOD = [CODEC.encode(SMALL)] * WORTHWHILE
Tally = Counter[str]


@dataclass(frozen=True)
class Target:
    """Something to try bad input on. `share` is its part of a long run's inputs, in percent."""

    share: int
    good: Callable[[], Iterable[bytes]]
    bad: Callable[[], dict[str, bytes]]
    try_input: Callable[[bytes], Tally]


def try_value(value: bytes) -> Tally:
    """Decode a wire value, by itself and in a batch: the same record, or the same error that names a field."""
    try:
        found = CODEC.decode_input(value)
        said = repr(found)
    except InvalidRecordError as error:
        found, said = None, _checked(error)
    *others, in_batch = CODEC.decode_inputs([*_GOOD, value])
    assert others == [SMALL] * WORTHWHILE
    assert said == (str(in_batch) if isinstance(in_batch, InvalidRecordError) else repr(in_batch))
    partly = read_partly(value, CODEC.catalog)
    if found is None:
        return Counter([DEAD_LETTER])
    assert partly.stopped == ""
    assert found._asdict() == found._asdict() | partly.fields  # an earlier schema has fewer of them
    assert CODEC.decode_input(CODEC.encode(found)) == found
    return Counter([TAKEN])


def try_lines(suffix: str) -> Callable[[bytes], Tally]:
    """Target of files of a kind: each line a valid record or a bad line, or the file refused and named."""

    def try_file(content: bytes) -> Tally:
        with _file(content, suffix) as path:
            return _lines(path)

    return try_file


def try_table(choices: bytes) -> Tally:
    """As a file of lines: Parquet whose bytes are sound, and whose columns are of any types."""
    with _file(bad_tables.table_of(choices), ".parquet") as path:
        return _lines(path)


@contextmanager
def _file(content: bytes, suffix: str) -> Iterator[Path]:
    path = _FOLDER / f"journeys-fuzz-{os.getpid()}{suffix}"
    path.write_bytes(content)
    try:
        yield path
    finally:
        path.unlink()


def _lines(path: Path) -> Tally:
    tally: Tally = Counter()
    last = 0
    try:
        for found in LineFile(str(path)).records():
            number = found.number if isinstance(found, BadLine) else found[0]
            assert number > last, f"line {number} behind line {last}"
            last = number
            if isinstance(found, BadLine):
                _checked(found.error)
                tally[BAD_LINE] += 1
            else:
                # What a line says must get through the wire.
                validate(found[1])
                assert CODEC.decode_input(CODEC.encode(found[1])) == found[1]
                tally[TAKEN] += 1
    except UnreadableFileError as error:
        _require_reason(str(error), f"{path}: ")
        tally[BAD_FILE] += 1
    return tally


def try_policy_toml(content: bytes) -> Tally:
    """A policy file is taken, or refused with its path and the reason."""
    with _file(content, ".toml") as path:
        return _policy(lambda: load_policy(path), f"{path}: ")


def try_policy_json(content: bytes) -> Tally:
    """The policy of a PolicyChanged is taken, or refused with the reason."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = content.decode("utf-8", "surrogateescape")
    return _policy(lambda: policy_from_json(text), "")


def _policy(load: Callable[[], Policy], begin: str) -> Tally:
    try:
        policy = load()
    except InvalidPolicyError as error:
        _require_reason(str(error), begin)
        return Counter([BAD_POLICY])
    again = policy_from_json(policy.to_json())
    assert again == policy
    assert again.to_json() == policy.to_json()
    _work_under(policy)
    return Counter([TAKEN])


def _work_under(policy: Policy) -> None:
    """Whatever a policy says, the worst that a journey can cost must fit the records."""
    worst = FULL._replace(journey_id="j", cost_micros=10**15, conversion_value_micros=10**15, state="INTENT")
    records = [PolicyChanged(policy.version, policy.to_json(), T0), Punctuation(T0, "simulated")]
    records += [worst._replace(touchpoint_id=f"t{number}", occurred_at=T0 + number) for number in range(3)]
    records += [JourneyCommand("j", T0 + 4, "abandon"), Punctuation(T0 + 10**12, "simulated")]
    values = [CODEC.encode(record) for record in records]
    tally = try_log([(None if index in (0, 1, 6) else b"j", None, value) for index, value in enumerate(values)])
    assert tally[DEAD_LETTER] == 0


def _require_reason(said: str, begin: str) -> None:
    """Names the file, says something, and no more than anybody reads."""
    assert said.startswith(begin)
    assert len(begin) < len(said) <= len(begin) + _MOST_REASONS * _REFUSED_CHARACTERS


def _checked(error: InvalidRecordError) -> str:
    said = str(error)
    assert error.field
    assert error.expected
    assert said.startswith(f"{error.field}: ")
    assert len(said) <= _REFUSED_CHARACTERS
    said.encode()
    return said


TARGETS: dict[str, Target] = {
    "codec": Target(51, bad_values.good_values, bad_values.bad_values, try_value),
    "processor": Target(8, good_logs, bad_logs, try_packed),
    "jsonl": Target(15, bad_texts.good_jsonl, bad_texts.bad_jsonl, try_lines(".jsonl")),
    "csv": Target(10, bad_texts.good_csv, bad_texts.bad_csv, try_lines(".csv")),
    "parquet": Target(4, bad_tables.good_parquet, bad_tables.bad_parquet, try_lines(".parquet")),
    "parquet-columns": Target(1, lambda: [b""], bad_tables.chosen_tables, try_table),
    "policy-toml": Target(5, bad_texts.good_policies_toml, bad_texts.bad_policies_toml, try_policy_toml),
    "policy-json": Target(6, bad_texts.good_policies_json, bad_texts.bad_policies_json, try_policy_json),
}
