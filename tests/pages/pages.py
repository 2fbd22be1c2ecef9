"""The Markdown pages of the repository, and what they name: links, code, commands."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
DECISIONS = sorted(path for path in (ROOT / "docs/decisions").glob("*.md") if path.name != "README.md")
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:^ {4}\S.*\n)+", re.MULTILINE)


def name_of(page: Path) -> str:
    """Path of a page in the repository: the id of its test."""
    return str(page.relative_to(ROOT))


@cache
def text_of(page: Path) -> str:
    """Text of a page."""
    return page.read_text("utf-8")


def blocks(page: Path) -> list[str]:
    """Code blocks of a page, fenced or indented, without their fences."""
    text = text_of(page)
    fenced = [block.partition("\n")[2].rpartition("\n")[0] for block in FENCE.findall(text)]
    return fenced + INDENTED.findall(FENCE.sub("", text))


def spans(page: Path) -> list[str]:
    """Text between backticks outside of code blocks, each on one line."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", FENCE.sub("", text_of(page)))]


def links(page: Path) -> list[str]:
    """Targets of links that stay in the repository."""
    targets = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", FENCE.sub("", text_of(page))))
    return [target for target in targets if "://" not in target and not target.startswith("mailto:")]


@cache
def anchors(page: Path) -> frozenset[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text_of(page)), re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings)


def title(page: Path) -> str:
    """First heading of a page, without a decision's number."""
    heading = re.match(r"# (?:\d{4} )?(.+)\n", text_of(page))
    assert heading, f"{name_of(page)} does not begin with a heading"
    return heading[1].strip()


def state(decision: Path) -> str:
    """State of a decision, as the line `State: ...` at its top says; in force where there is none."""
    found = re.search(r"^State: (.+)$", "\n".join(text_of(decision).splitlines()[:4]), re.MULTILINE)
    return found[1] if found else "in force"
