"""Runs the code of a document as a reader would: block after block, in one interpreter, awaiting as a notebook does."""

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
    """Run all Python of a page; gives the names that it leaves."""
    namespace: dict[str, Any] = {"__name__": "document"}

    async def run() -> None:
        for number, block in enumerate(blocks(page, "python"), start=1):
            code = compile(block, f"{page}, block {number}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            # The documents are part of this repository.
            if inspect.iscoroutine(given := eval(code, namespace)):  # noqa: S307
                await given

    asyncio.run(run())
    return namespace
