"""Base class of errors that end an operation and are shown to people."""


class OperationError(Exception):
    """An operation can't be done. The text is written for the user: what is wrong, and what to do."""
