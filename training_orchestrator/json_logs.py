"""Logs of a training run as JSON lines."""

from __future__ import annotations

from typing import Literal


def log_as_json(level: Literal["debug", "info", "warning", "error"] = "info") -> None:
    """Send all logging of this process to standard error, one JSON object a line, in the form that workers have."""
    from agents.log_setup import set_up_logging  # noqa: PLC0415  (settings load here)
    from agents.settings import Settings  # noqa: PLC0415  (as above)

    set_up_logging(Settings(log_format="json", log_level=level))
