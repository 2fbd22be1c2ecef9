"""What a feed may be given beside its source, as type checkers see it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias, TypedDict

from training_orchestrator.feed.feed_items import RewardRule
from training_orchestrator.feed.feed_progress import CorrectionRule

Start: TypeAlias = Literal["earliest", "latest"] | datetime | bytes
"""Where a feed begins; bytes are those of a checkpoint."""


class FeedOptions(TypedDict, total=False):
    """See AbandonmentFeed."""

    start: Start
    as_of: datetime | None
    follow: bool | None
    rewards: RewardRule | None
    corrections: CorrectionRule | None
    conversions: bool
