"""Base class of errors that end an operation and are shown to people."""

from __future__ import annotations

from journeys.schemas.expected_error import ExpectedError


class OperationError(ExpectedError):
    """An operation can't be done. The text is written for the user: what is wrong, and what to do."""
