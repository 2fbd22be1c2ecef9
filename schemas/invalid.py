"""What is said of a record that is not allowed."""

from __future__ import annotations

_SHOWN_CHARACTERS = 80


class InvalidRecordError(ValueError):
    """A record that can't be taken: names the field, the value and what would be right."""

    def __init__(self, field: str, value: object, expected: str) -> None:
        shown = repr(value)
        if len(shown) > _SHOWN_CHARACTERS:
            shown = shown[:_SHOWN_CHARACTERS] + "..."
        super().__init__(f"{field}: {shown} is not allowed; expected {expected}")
        self.field = field
        self.expected = expected
