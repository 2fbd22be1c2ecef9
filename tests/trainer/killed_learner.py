"""A trainer that learns from a feed until it is killed; its model is the sum of its rewards, in micros."""

import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

from training_orchestrator import AbandonmentFeed

_BATCH = 40


def learn(origin: str, model: str, pause: float) -> None:
    """Go on from the model's checkpoint; model and checkpoint are replaced in one step, as a trainer must do it.

    `origin` is the path of a store, or a Kafka's servers. Ends by itself when there is nothing more.
    """
    place = Path(model)
    learned: dict[str, Any] = json.loads(place.read_text()) if place.exists() else {"seen": {}, "micros": 0}
    start = bytes.fromhex(learned.get("checkpoint", "")) or "earliest"
    seen = Counter(learned["seen"])
    make = AbandonmentFeed.from_store if "/" in origin else AbandonmentFeed.from_kafka
    with make(origin, start=start, follow=False) as feed:
        for batch in feed.batches(max_records=_BATCH):
            for item in batch:
                name = item.lifecycle_id if item.kind == "conversion" else item.abandonment_id
                seen[f"{item.kind} {name}"] += 1
                learned["micros"] += item.reward_micros
            learned |= {"seen": seen, "checkpoint": feed.checkpoint().hex()}
            written = place.with_suffix(f".{os.getpid()}")
            written.write_text(json.dumps(learned))
            written.replace(place)
            time.sleep(pause)  # learning takes its time, so that a kill finds something to interrupt
