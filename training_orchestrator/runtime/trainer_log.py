"""The trainer's logger: structlog over the standard library, so that the program's own logging setup formats it.

Events have ids as fields (`journey_id`, `abandonment_id`), never a user's id or other content of a record.
"""

from __future__ import annotations

import logging
from typing import Any

import structlog


def trainer_log(name: str) -> Any:
    """Logger whose fields become attributes (`extra`) of the standard library's log records."""
    return structlog.wrap_logger(
        logging.getLogger(name),
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.render_to_log_kwargs,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
