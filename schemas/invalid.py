"""Errors that name what is wrong with a record: field, value and what would be right."""

from __future__ import annotations

from typing import Self

from journeys.schemas.expected_error import PicklableError

_SHOWN_CHARACTERS = 80


class InvalidRecordError(PicklableError, ValueError):
    """A record that can't be taken: names the field, the value and what would be right."""

    def __init__(self, field: str, value: object, expected: str) -> None:
        try:
            shown = repr(value)
        except (ValueError, RecursionError):  # an int of thousands of digits, a list nested as deep as the stack
            shown = f"this {type(value).__name__}"
        if len(shown) > _SHOWN_CHARACTERS:
            shown = shown[:_SHOWN_CHARACTERS] + "..."
        super().__init__(f"{field}: {shown} is not allowed; expected {expected}")
        self.field = field
        self.expected = expected

    @classmethod
    def of_reason(cls, reason: str) -> Self:
        """The error that a dead letter tells of: its text is the letter's reason, which begins with the field."""
        error = cls("record", None, reason)
        error.args = (reason,)
        error.field = reason.partition(":")[0]
        return error
