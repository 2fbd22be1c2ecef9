"""The parent of errors that end an operation on Kafka or the registry."""


class OperationError(Exception):
    """What was asked for can't be done. The text is one line for the person at the keyboard: what is, what to do."""
