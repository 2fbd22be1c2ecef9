"""How long a worker may live without getting on, and how often that is looked at."""

from __future__ import annotations

STUCK_AFTER_SECONDS = 120.0
"""A worker that should get on and does not ends after this time. Longer than a rebalance, which waits at most 30 s for
its slowest member, and than a broker's death; time in which Kafka does not answer does not count."""
CHECK_EVERY_SECONDS = 10.0
