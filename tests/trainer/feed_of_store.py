"""A store of 100 journeys for feeds to read, 100 abandonments, 20 returns and 10 conversions; its outputs as files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from journeys.schemas.lines import output_line
from journeys.schemas.records import JourneyAbandoned
from training_orchestrator import AbandonmentFeed, AbandonmentItem, CorrectionItem, FeedItem, RewardRule

from .stored import outputs

COUNT = 100


PENALTY = RewardRule(price="penalty")


def all_of(store: Path, **more: Any) -> list[FeedItem]:
    """Every item that there is now, by default of a feed of penalties."""
    more.setdefault("rewards", PENALTY)
    with AbandonmentFeed.from_store(store, follow=False, **more) as feed:
        return list(feed)


def split(items: Iterable[FeedItem]) -> tuple[list[AbandonmentItem], list[CorrectionItem]]:
    """Abandonments and corrections."""
    return (
        [item for item in items if isinstance(item, AbandonmentItem)],
        [item for item in items if isinstance(item, CorrectionItem)],
    )


def replay_files(store: Path, folder: Path) -> tuple[Path, Path]:
    """Write a store's outputs as `journeys replay` does."""
    paths = folder / "abandonments.jsonl", folder / "lifecycle.jsonl"
    with paths[0].open("w") as abandonments, paths[1].open("w") as lifecycle:
        for record in outputs(store):
            print(
                json.dumps(output_line(record)),
                file=abandonments if isinstance(record, JourneyAbandoned) else lifecycle,
            )
    return paths
