"""Engine: makes the processors of a worker or an embedded manager, compiled (Rust) or in Python."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, NamedTuple

from journeys.schemas.catalog import fingerprint, own_schemas
from journeys.schemas.codec import Codec
from journeys.streams.compiled.compiled_partition import compiled_partition
from journeys.streams.compiled.compiled_processor import CompiledProcessor
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.protocols import JourneyProcessor
from journeys.streams.partition.state import Partition

if TYPE_CHECKING:
    import journeys.engine

EngineSetting = Literal["auto", "compiled", "reference"]
"""`auto` takes the compiled engine where it is built and fits, else the reference."""


class EngineMissingError(Exception):
    """The compiled engine is wanted and can't be had; the text says why."""


class Engine(NamedTuple):
    """The choice of an engine. `why` says how it came about, `advice` what gives the compiled one where it is not."""

    compiled: type[journeys.engine.Engine] | None
    why: str
    advice: str | None = None

    @property
    def name(self) -> str:
        """`compiled` or `reference`."""
        return "reference" if self.compiled is None else "compiled"

    @property
    def description(self) -> str:
        """One line for the log: which engine runs, why, and how to have the compiled one."""
        return f"{self.name} ({self.why})" + (f"; for the compiled one, {self.advice}" if self.advice else "")

    def processor(self, number: int, count: int, codec: Codec) -> JourneyProcessor:
        """Processor of a partition without rows."""
        if self.compiled is None:
            return Processor(Partition(number, count))
        return CompiledProcessor(compiled_partition(self.compiled, number, count, codec))


REFERENCE = Engine(None, "set so", "set JOURNEYS_ENGINE to auto or compiled")
_HOW_TO_BUILD = (
    "install a Rust toolchain (cargo) and then `pip install --force-reinstall --no-cache-dir gaelp-journeys`, "
    "in a checkout `make setup`"
)


def load_engine(setting: EngineSetting) -> Engine:
    """Take the engine that the setting names.

    Raises EngineMissingError where the compiled one is wanted and can't be had.
    """
    if setting == "reference":
        return REFERENCE
    why_not = _why_not_compiled()
    if why_not is None:
        from journeys.engine import Engine as Compiled  # noqa: PLC0415  (it may not be built)

        return Engine(Compiled, "installed and built for these schemas")
    if setting == "compiled":
        raise EngineMissingError(
            f"the compiled engine can't be had: {why_not}; {_HOW_TO_BUILD}, or set JOURNEYS_ENGINE to auto"
        )
    return Engine(None, why_not, _HOW_TO_BUILD)


def _why_not_compiled() -> str | None:
    if find_spec("journeys.engine") is None:
        return "this installation has no journeys.engine"
    from journeys.engine import SCHEMAS  # noqa: PLC0415  (as above)

    own = own_schemas()
    other = [name for name, known in SCHEMAS.items() if fingerprint(own[name]) != known]
    return f"journeys.engine was built for other schemas of {', '.join(other)}" if other else None
