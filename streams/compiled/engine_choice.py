"""Which program decides live: the compiled engine, rows as columns where numpy is, or the reference."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, NamedTuple

from journeys.schemas.catalog import fingerprint, own_schemas
from journeys.schemas.codec import Codec
from journeys.schemas.columns import IS_INSTALLED
from journeys.streams.compiled.compiled_partition import compiled_partition
from journeys.streams.compiled.compiled_processor import CompiledProcessor
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition

if TYPE_CHECKING:
    import journeys.engine

EngineSetting = Literal["auto", "python", "compiled"]


class EngineMissingError(Exception):
    """The compiled engine is wanted and can't be had; the text says why."""


class Engine(NamedTuple):
    """Makes partitions and processors. `why` says how the choice came about."""

    compiled: type[journeys.engine.Engine] | None
    why: str

    @property
    def name(self) -> str:
        """`compiled` or `python`."""
        return "python" if self.compiled is None else "compiled"

    def partition(self, number: int, count: int, codec: Codec) -> Partition:
        """State of a partition, without rows."""
        if self.compiled is None:
            if not IS_INSTALLED:
                return Partition(number, count)
            from journeys.streams.columnar_partition import ColumnarPartition  # noqa: PLC0415  (it wants the extra `kafka`)

            return ColumnarPartition(number, count, codec)
        return compiled_partition(self.compiled, number, count, codec)

    def processor(self, partition: Partition) -> Processor:
        """Processor of a partition that this engine has made."""
        if self.compiled is not None:
            return CompiledProcessor(partition)
        if not IS_INSTALLED:
            return Processor(partition)
        from journeys.streams.columnar_processor import ColumnarProcessor  # noqa: PLC0415  (as above)

        return ColumnarProcessor(partition)


PURE_PYTHON = Engine(None, "set so")


def load_engine(setting: EngineSetting) -> Engine:
    """Take the engine that the setting names; `auto` takes the compiled one where it is built and fits.

    Raises EngineMissingError where the compiled one is wanted and can't be had.
    """
    if setting == "python":
        return PURE_PYTHON
    why_not = _why_not_compiled()
    if why_not is None:
        from journeys.engine import Engine as Compiled  # noqa: PLC0415  (it may not be built)

        return Engine(Compiled, "built and of these schemas")
    if setting == "compiled":
        raise EngineMissingError(f"the compiled engine can't be had: {why_not}; build it with `make setup`")
    return Engine(None, why_not)


def _why_not_compiled() -> str | None:
    if find_spec("journeys.engine") is None:
        return "this installation has no journeys.engine"
    from journeys.engine import SCHEMAS  # noqa: PLC0415  (as above)

    own = own_schemas()
    other = [name for name, known in SCHEMAS.items() if fingerprint(own[name]) != known]
    return f"it was built for other schemas of {', '.join(other)}" if other else None
