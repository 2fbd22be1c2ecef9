"""A dashboard of its own process over a generated history, and a browser that looks at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.cli.console_script import journeys, started
from tests.fixtures.page_browser import page_browser

Opened = Callable[..., str]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser for the tests of a file. While it is there, Playwright's event loop runs: no asyncio.run."""
    with page_browser() as browser:
        yield browser


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with history.jsonl and what a replay made of it: abandonments.jsonl, lifecycle.jsonl."""
    folder = tmp_path_factory.mktemp("history")
    journeys("generate", "--journeys", "400", "--seed", "20", "--output", "history.jsonl", cwd=folder)
    outputs = ("--output", "abandonments.jsonl", "--lifecycle", "lifecycle.jsonl")
    assert journeys("replay", "history.jsonl", *outputs, cwd=folder).returncode == 0
    return folder


@pytest.fixture(scope="module")
def opened() -> Iterator[Opened]:
    """Start `journeys dashboard` in a folder; gives the address that it prints."""
    with ExitStack() as stack:

        def start(folder: Path, *arguments: str) -> str:
            process = stack.enter_context(started("dashboard", *arguments, "--port", "0", "--quiet", cwd=folder))
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            assert address.startswith("http://127.0.0.1:"), process.stderr and process.stderr.read()
            return address

        yield start


@pytest.fixture(scope="module")
def address(history: Path, opened: Opened) -> str:
    """A dashboard over the generated history."""
    return opened(history, "history.jsonl")


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """An empty page; fails the test for whatever the browser complains of."""
    context = chromium.new_context(viewport={"width": 1200, "height": 900})
    shown = context.new_page()
    complaints: list[str] = []
    shown.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    shown.on("pageerror", lambda error: complaints.append(str(error)))
    shown.on("dialog", lambda dialog: complaints.append(dialog.message))
    yield shown
    context.close()
    assert not complaints
