"""Runs one operation on Kafka, with nothing on the screen but what the command itself says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

_Result = TypeVar("_Result")


def run_operation(operation: Coroutine[Any, Any, _Result]) -> _Result:
    """Run to the end and give the result; what it raises passes through."""
    logging.basicConfig(level=logging.WARNING, format="journeys: %(message)s")
    # A client says in a dozen lines what the error of the operation says in one.
    for name in ("aiokafka", "asyncio", "httpx"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        return asyncio.run(operation)
    except ExceptionGroup as group:
        if len(group.exceptions) == 1:  # of several tasks one failed and took the others with it
            raise group.exceptions[0] from None
        raise
