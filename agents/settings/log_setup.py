"""Logging to standard error with structlog over the standard library, as text or as JSON lines."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from journeys.agents.settings.repeated_lines import RepeatedLines
from journeys.agents.settings.settings import Settings
from journeys.schemas.printable import printable, printable_traceback

# Faust and aiokafka log details of every rebalance and poll, which help only with their sources at hand.
# Faust's services log under the names of their modules, so our subclasses of them are quiet, too.
_QUIET = {
    "journeys.agents": logging.WARNING,
    "faust": logging.WARNING,
    "mode": logging.WARNING,
    "aiokafka": logging.ERROR,
    "asyncio": logging.WARNING,
    "httpx": logging.WARNING,
}


def set_up_logging(settings: Settings, *, worker_id: str | None = None) -> None:
    """Send all logging to standard error in one format; `worker_id` is added to every line."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),  # fields that a trainer passes with `extra`
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _escape, renderer],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    handler.addFilter(RepeatedLines("aiokafka"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    root.setLevel(level)
    # At debug it logs the requests to Kafka, with passwords (PLAIN) and their proofs (SCRAM).
    logging.getLogger("aiokafka.conn").setLevel(logging.INFO if level == logging.DEBUG else logging.NOTSET)
    for name, quiet in _QUIET.items():
        logging.getLogger(name).setLevel(max(quiet, level) if level > logging.DEBUG else level)
    if worker_id is not None:
        structlog.contextvars.bind_contextvars(worker=worker_id)


def _escape(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Escape what is not printable in texts of others, such as error texts of a broker; line ends, too."""
    return {name: _escaped(name, value) if isinstance(value, str) else value for name, value in event.items()}


def _escaped(name: str, value: str) -> str:
    return printable_traceback(value) if name in ("exception", "stack") else printable(value)
