"""What is said of a file that can't be read."""

from __future__ import annotations

from journeys.schemas.expected_error import ExpectedError


class UnreadableFileError(ExpectedError):
    """A file can't be read at all; the text says which and why."""
