"""Runs one operation on Kafka, with nothing on the screen but what the command itself prints."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from journeys.agents.settings.printable import printable_lines

_Result = TypeVar("_Result")


class _PrintableFormatter(logging.Formatter):
    """Text of log records without control characters."""

    def format(self, record: logging.LogRecord) -> str:
        return printable_lines(super().format(record))


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
