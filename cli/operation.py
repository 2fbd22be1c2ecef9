"""Runs one operation on Kafka, with nothing on the screen but what the command itself prints."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from journeys.schemas.printable import printable, printable_traceback

_Result = TypeVar("_Result")


class _PrintableFormatter(logging.Formatter):
    """Text of log records without control characters, one line each; tracebacks follow, indented."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - as above
        return printable_traceback(super().formatException(ei))


def quiet_clients() -> None:
    """Silence Kafka's clients: they log a dozen lines about what the error of the operation says in one."""
    handler = logging.StreamHandler()
    handler.setFormatter(_PrintableFormatter("journeys: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for name in ("aiokafka", "asyncio", "httpx"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def run_operation(operation: Coroutine[Any, Any, _Result]) -> _Result:
    """Run to the end and give the result; what it raises passes through."""
    quiet_clients()
    try:
        return asyncio.run(operation)
    except ExceptionGroup as group:
        if len(group.exceptions) == 1:  # of several tasks one failed and took the others with it
            raise group.exceptions[0] from None
        raise
