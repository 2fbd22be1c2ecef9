"""The one way of text from outside into a page: shown as it is, never markup, a link or something unseen."""

from __future__ import annotations

import hashlib
import html
import re
from base64 import b64encode
from typing import Final

from journeys.schemas.printable import printable

_SCRIPT: Final = re.compile(r"<script[^>]*>(.*?)</script>", re.DOTALL)


def page_text(text: str) -> str:
    """The text for HTML, also within an attribute in quotes."""
    return html.escape(printable(text))


def chart_text(text: str) -> str:
    """The text for plotly, which takes labels for markup but knows only three entities by name."""
    return html.escape(printable(text), quote=False)


def security_policy(body: str) -> str:
    """Content security policy of a page: it runs the scripts of this body and no other, and loads nothing."""
    scripts = " ".join(
        f"'sha256-{b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in _SCRIPT.findall(body)
    )
    parts = {
        "default-src": "'none'",
        "script-src": scripts or "'none'",
        "style-src": "'unsafe-inline'",  # plotly sets styles by script
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in parts.items())
