"""The parent of errors that end an operation on Kafka or the registry."""

from __future__ import annotations

from journeys.schemas.expected_error import ExpectedError


class OperationError(ExpectedError):
    """What was asked for can't be done. The text is one line for the person at the keyboard: what is, what to do."""
