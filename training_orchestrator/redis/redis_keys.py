"""Names, sizes and TTLs of the keys in Redis. docs/trainer.md has them as a table, and a test compares.

journeys:deadlines      sorted set   journey_id by deadline (ms) of every open journey
journeys:summary:{id}   hash         state, touchpoints, cost_micros, deadline_at, outcome; TTL a day
journeys:abandonments   stream       abandonments, returns, conversions, at most about 100,000 (redis_stream.py)
journeys:position       hash         id of that stream, and its position in each topic and partition
journeys:policy         string       JSON of the policy in force
journeys:policy:wanted  string       JSON of a policy that a client wants in force; deleted when it is answered
journeys:policy:answer  string       the answer; TTL a day
journeys:policy:lock    string       held by the manager that handles the request; TTL half a minute
journeys:mirror         string       id of the mirrored store or application; another one is overwritten completely
"""

from __future__ import annotations

from typing import Final

DEADLINES: Final = "journeys:deadlines"
SUMMARY: Final = "journeys:summary:"
ABANDONMENTS: Final = "journeys:abandonments"
POSITION: Final = "journeys:position"
POLICY: Final = "journeys:policy"
WANTED_POLICY: Final = "journeys:policy:wanted"
POLICY_ANSWER: Final = "journeys:policy:answer"
POLICY_LOCK: Final = "journeys:policy:lock"
MIRROR: Final = "journeys:mirror"
STREAM_LENGTH: Final = 100_000
SUMMARY_SECONDS: Final = 86_400
ANSWER_SECONDS: Final = 86_400
LOCK_SECONDS: Final = 30
