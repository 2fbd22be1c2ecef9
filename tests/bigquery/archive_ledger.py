"""Rows that are written into BigQuery for an archive, and a ledger of all that there ever were."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import count

from .archived_rows import in_bigquery
from .rows import abandonment, insert

ABANDONMENTS = "journey_abandonments"
DAY_MS = 86_400_000
FIRST = date(2021, 3, 1)


def instant(day: date, milliseconds: int = 0) -> int:
    """Milliseconds of a time of a day."""
    return round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000) + milliseconds


def made(numbers, days, per_day=4):
    """Abandonments of some days, at the first and the last instant of each among others."""
    chance = random.Random(17)
    for day in days:
        for place in range(per_day):
            at = instant(day, (0, DAY_MS - 1, *(chance.randrange(DAY_MS) for _ in range(per_day)))[place])
            yield abandonment(
                next(numbers),
                abandoned_at=at,
                started_at=at - 3 * DAY_MS,
                user_id=chance.choice([None, "", "é|☃", "-", "5:a|b"]),
                conversion_probability=chance.random(),
                state_weight=chance.choice([0.1, 1 / 3, 5e-324, 0.0, 1e300]),
                total_penalty_micros=chance.randrange(-(2**62), 2**62),
                truncated=chance.random() < 0.5,
            )


def days_from(day, count):
    """Some days in a row."""
    return [day + timedelta(days=number) for number in range(count)]


class Ledger:
    """Writes rows into BigQuery, and knows all that were ever written: each must be somewhere, and nowhere twice."""

    def __init__(self, client, house):
        self.everything = Counter()
        self._client, self._house = client, house
        self._numbers = count()

    def fill(self, days, per_day=4):
        """Abandonments; the first of each call comes twice, as at-least-once delivery brings it."""
        rows = list(made(self._numbers, days, per_day))
        insert(self._client, self._house, ABANDONMENTS, *rows, rows[0])
        self.everything.update((ABANDONMENTS, *row) for row in [*rows, rows[0]])

    def live(self):
        """Rows that BigQuery has now."""
        return in_bigquery(self._client, self._house)
