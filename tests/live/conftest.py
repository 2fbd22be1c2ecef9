"""Fixtures of the tests with workers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import cli

from .worker_process import Workers

__all__ = ["cli"]


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    """Give a place to start workers; none outlives the test."""
    with Workers(tmp_path) as started:
        yield started
