"""A policy that somebody wants in force, as a key of Redis says it: appended to the log if it is one, and answered.

A version that the log knows is never appended again. So a wish that was granted and comes again, out of an old copy of
Redis, changes nothing; and neither do bytes that are no policy.
"""

from __future__ import annotations

import logging
from typing import Any

from redis.exceptions import WatchError

from journeys.streams.rule.policy import InvalidPolicyError, policy_from_json
from training_orchestrator.mirror.mirror_source import MirrorSource
from training_orchestrator.redis.redis_keys import ANSWER_SECONDS, POLICY_ANSWER, WANTED_POLICY

log = logging.getLogger("journeys.redis")


async def grant(wanted: Any, source: MirrorSource, redis: Any) -> None:
    """Decide on what the key holds (bytes, or the error that reading it gave), answer, and delete it.

    Raises StoreUnavailableError where the log does not take it: it stays wanted.
    """
    answer = await _answer(wanted, source)
    log.info("a policy was wanted by way of Redis: %s", answer)
    async with redis.pipeline(transaction=True) as pipeline:
        await pipeline.watch(WANTED_POLICY)
        if isinstance(wanted, bytes) and await pipeline.get(WANTED_POLICY) != wanted:
            return  # another one meanwhile, which the next round takes
        pipeline.multi()
        pipeline.delete(WANTED_POLICY)
        pipeline.set(POLICY_ANSWER, answer, ex=ANSWER_SECONDS)
        try:
            await pipeline.execute()
        except WatchError:
            return


async def _answer(wanted: Any, source: MirrorSource) -> str:
    if not isinstance(wanted, bytes):
        return f"refused: {WANTED_POLICY} must be a string, the JSON of a policy"
    try:
        policy = policy_from_json(wanted.decode())
    except (InvalidPolicyError, UnicodeDecodeError) as error:
        return f"refused: {error}"
    if policy.version in (await source.policies()).by_version:
        return (
            f"refused: the log knows the version {policy.version!r} already, and a version is brought once: give the "
            "policy a new one"
        )
    await source.change_policy(policy)
    return f"appended: policy {policy.version}, for episodes that begin behind it"
