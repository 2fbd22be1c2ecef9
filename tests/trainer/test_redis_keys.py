"""The keys in Redis and their sizes are those of docs/trainer.md."""

import re

from training_orchestrator.redis import redis_keys

from .documents import ROOT


def test_every_key_is_documented_and_no_other():
    """The table of the page, and the names in the code."""
    page = (ROOT / "docs/trainer.md").read_text()
    named = set(re.findall(r"^\| `(journeys:[a-z:]+)(?:\{journey_id\})?` \|", page, re.MULTILINE))
    assert named == {value for value in vars(redis_keys).values() if str(value).startswith("journeys:")}
    assert f"{redis_keys.STREAM_LENGTH:,}" in page
    assert redis_keys.SUMMARY_SECONDS == redis_keys.ANSWER_SECONDS == 86_400  # "a day"
    assert redis_keys.LOCK_SECONDS == 30  # "half a minute"
