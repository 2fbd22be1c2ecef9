"""Which engine a setting takes, and what the log says of it."""

from __future__ import annotations

import pytest

from journeys.schemas.codec import Codec
from journeys.streams.compiled import engine_choice as engine
from journeys.streams.compiled.engine_choice import EngineMissingError, EngineSetting, load_engine
from journeys.streams.partition.processor import Processor
from tests.engine.comparison import needs_engine


def test_the_reference_is_taken_where_it_is_named() -> None:
    """And says how to have the other one."""
    taken = load_engine("reference")
    assert isinstance(taken.processor(0, 1, Codec()), Processor)
    assert taken.description == "reference (set so); for the compiled one, set JOURNEYS_ENGINE to auto or compiled"


def test_without_the_package_auto_takes_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says which, why, and what to do; a worker that wants the compiled one is refused with the same."""
    monkeypatch.setattr(engine, "find_spec", lambda name: None)  # noqa: ARG005  (its name)
    taken = load_engine("auto")
    assert (taken.name, taken.compiled) == ("reference", None)
    assert taken.description == (
        "reference (this installation has no journeys.engine); for the compiled one, install a Rust toolchain (cargo) "
        "and then `pip install --force-reinstall --no-cache-dir gaelp-journeys`, in a checkout `make setup`"
    )
    with pytest.raises(EngineMissingError, match=r"has no journeys.engine; install a Rust toolchain .* or set"):
        load_engine("compiled")


@needs_engine
@pytest.mark.parametrize("setting", ["auto", "compiled"])
def test_the_compiled_engine_is_taken_where_it_is(setting: EngineSetting) -> None:
    """Named or not."""
    assert load_engine(setting).description == "compiled (installed and built for these schemas)"


@needs_engine
def test_an_engine_of_other_schemas_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would read records by another contract."""
    monkeypatch.setattr(engine, "fingerprint", lambda parsed: 0)  # noqa: ARG005  (its name)
    taken = load_engine("auto")
    assert taken.name == "reference"
    assert taken.why.startswith("journeys.engine was built for other schemas of ")
