"""The base of errors that a person can put right: wrong input, a missing file, a server that does not answer."""

from __future__ import annotations


class ExpectedError(Exception):
    """An error that is no fault of the program. Its text says what is wrong and what to do.

    The command line prints the text and exits with 2; any other exception keeps its traceback.
    """
