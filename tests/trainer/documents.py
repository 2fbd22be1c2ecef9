"""Runs the Python blocks of a page one after the other in one interpreter, with top-level await as in a notebook."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent


def blocks(page: str, language: str) -> list[str]:
    """Blocks of one language, in their order."""
    text = (ROOT / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run_python(page: str) -> dict[str, Any]:
    """Run all Python blocks of a page; returns the namespace."""
    namespace: dict[str, Any] = {"__name__": "document"}

    async def run() -> None:
        for number, block in enumerate(blocks(page, "python"), start=1):
            code = compile(block, f"{page}, block {number}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            # The documents are part of this repository.
            if inspect.iscoroutine(given := eval(code, namespace)):  # noqa: S307
                await given

    asyncio.run(run())
    return namespace
