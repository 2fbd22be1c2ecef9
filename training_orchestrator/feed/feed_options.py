"""Keyword arguments of AbandonmentFeed and its constructors, typed for type checkers."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias, TypedDict

from training_orchestrator.feed.feed_items import RewardRule
from training_orchestrator.feed.feed_progress import CorrectionRule

Start: TypeAlias = Literal["earliest", "latest"] | datetime | bytes
"""Where a feed starts; bytes are a checkpoint's."""


class FeedOptions(TypedDict, total=False):
    """Keyword arguments; AbandonmentFeed explains each."""

    start: Start | None
    as_of: datetime | None
    follow: bool | None
    rewards: RewardRule | None
    corrections: CorrectionRule | None
    conversions: bool | None
