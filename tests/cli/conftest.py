"""Fixtures of the command line's tests."""

import os
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from journeys.cli.main import app


@pytest.fixture
def cli(tmp_path, monkeypatch) -> Callable[..., Result]:
    """Run a command in this process, in an empty folder, with nobody's settings; gives its result."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("JOURNEYS_") or name == "COLUMNS":  # which pytest-xdist sets
            monkeypatch.delenv(name)

    def invoke(*arguments: str, **more: Any) -> Result:
        return CliRunner().invoke(app, arguments, **more)

    return invoke
