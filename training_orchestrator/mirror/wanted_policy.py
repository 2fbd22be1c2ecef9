"""Handles a policy that a client of Redis wants in force: appends a valid one to the log, and writes an answer.

A version that the log has is never appended again, so that a request that was handled already, in an old copy of Redis,
changes nothing.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

from redis.exceptions import LockError, WatchError

from journeys.streams.rule.policy import InvalidPolicyError, policy_from_json
from training_orchestrator.mirror.mirror_source import MirrorSource
from training_orchestrator.redis.redis_keys import (
    ANSWER_SECONDS,
    LOCK_SECONDS,
    POLICY_ANSWER,
    POLICY_LOCK,
    WANTED_POLICY,
)

log = logging.getLogger("journeys.redis")


async def handle_wanted_policy(wanted: Any, source: MirrorSource, redis: Any) -> None:
    """Append the key's policy (`wanted` are its bytes, or the error of reading it), answer, and delete the key.

    Does nothing while another manager handles it. Raises StoreUnavailableError if it can't be appended; the key stays.
    """
    lock = redis.lock(POLICY_LOCK, timeout=LOCK_SECONDS)
    if not await lock.acquire(blocking=False):
        return
    try:
        if not isinstance(wanted, bytes) or await redis.get(WANTED_POLICY) == wanted:
            await _handle(wanted, source, redis)
    finally:
        with suppress(LockError):  # it took longer than the lock's TTL
            await lock.release()


async def _handle(wanted: Any, source: MirrorSource, redis: Any) -> None:
    answer = await _answer(wanted, source)
    log.info("request for a policy in Redis: %s", answer)
    async with redis.pipeline(transaction=True) as pipeline:
        await pipeline.watch(WANTED_POLICY)
        if isinstance(wanted, bytes) and await pipeline.get(WANTED_POLICY) != wanted:
            return  # another request meanwhile, which the next round handles
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
            f"refused: the log has the version {policy.version!r} already, and each is appended once: give the policy "
            "a new one"
        )
    await source.change_policy(policy)
    return f"appended: policy {policy.version}, for episodes that begin after it"
