"""Runs one operation on Kafka, with nothing on the screen but what the command itself says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

_Result = TypeVar("_Result")


def quiet_clients() -> None:
    """Have Kafka's clients say nothing: they take a dozen lines for what the error of the operation says in one."""
    logging.basicConfig(level=logging.WARNING, format="journeys: %(message)s")
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
