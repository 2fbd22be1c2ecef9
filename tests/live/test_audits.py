"""Who did what to a journey by hand, when and why, read back from the topics of a real Kafka."""

import asyncio
import getpass

import pytest

from journeys.agents.inspect.audit import ALL_JOURNEYS, is_audit
from journeys.clock import now_ms
from journeys.schemas.records import Touchpoint
from journeys.schemas.topics import JOURNEY_LIFECYCLE
from tests.cli.console_script import journeys
from tests.fixtures.fresh_kafka import emptied
from training_orchestrator import JourneyAlreadyAbandonedError, JourneyTimeoutManager

from .topic_exchange import append, published
from .verified import verified

pytestmark = [pytest.mark.broker, pytest.mark.slow]
WHY = "asked to by phone"
BY_ANN = ("--note", WHY, "--requested-by", "ann")


def who_and_why(record):
    """What a person's record says of them."""
    return record.requested_by, record.note


def test_each_hand_of_the_command_line_leaves_who_when_and_why(broker, workers, tmp_path):
    """Look, extend, abandon, a refused one, one that waits for no answer, and a check of all: one record each."""
    settings = emptied(broker, punctuation_interval_seconds=0.2)
    workers.start(settings)
    began_at = now_ms()
    append(settings, *(Touchpoint(name, None, "t-1", began_at, state="INTENT") for name in ("journey-1", "journey-2")))
    workers.wait_until_applied(settings)

    def say(*words):
        done = journeys(*words, "--bootstrap-servers", settings.bootstrap_servers, cwd=tmp_path)
        named = [line.removeprefix("command ") for line in done.stdout.splitlines() if line.startswith("command ")]
        return done.returncode, named[0] if named else None

    code, extended = say("extend", "journey-1", "--days", "7", *BY_ANN)
    assert code == 0
    code, abandoned = say("abandon", "journey-1", *BY_ANN)
    assert code == 0
    code, refused = say("abandon", "journey-1", *BY_ANN)
    assert code == 1
    code, unnamed = say("abandon", "journey-2", "--no-wait")
    assert code == 0
    assert say("show", "journey-1", *BY_ANN) == (0, None)
    assert say("check", *BY_ANN) == (0, None)
    ended_at = now_ms()
    workers.wait_until_applied(settings)

    said = published(settings, JOURNEY_LIFECYCLE)
    audits = sorted((each for each in said if is_audit(each.kind)), key=lambda each: each.occurred_at)
    assert [(each.kind, each.journey_id, each.command_id, *who_and_why(each)) for each in audits] == [
        ("audited_extend", "journey-1", extended, "ann", WHY),
        ("audited_abandon", "journey-1", abandoned, "ann", WHY),
        ("audited_abandon", "journey-1", refused, "ann", WHY),
        ("audited_abandon", "journey-2", unnamed, getpass.getuser(), None),
        ("audited_show", "journey-1", None, "ann", WHY),
        ("audited_check", ALL_JOURNEYS, None, "ann", WHY),
    ]
    assert all(began_at <= each.occurred_at == each.detected_at <= ended_at for each in audits)
    assert len({each.lifecycle_id for each in audits}) == len(audits)
    assert {each.command_id: who_and_why(each) for each in published(settings)} == {
        abandoned: ("ann", WHY),
        unnamed: (getpass.getuser(), None),
    }
    report, _ = verified(settings)
    assert (report.lifecycle.audits, report.abandonments.equal) == (len(audits), 2)


def test_what_a_connected_manager_was_asked_for_says_who_and_why(broker, workers):
    """A program's calls are no person's hands: the answers themselves bear it, one that refuses, too."""
    settings = emptied(broker, punctuation_interval_seconds=0.2)
    workers.start(settings).wait_until_logged("restored: partitions [0, 1, 2, 3]")

    async def run():
        async with JourneyTimeoutManager(bootstrap_servers=settings.bootstrap_servers) as manager:
            await manager.register_journey("journey-1")
            await manager.extend_timeout("journey-1", 7, requested_by="ann", note=WHY)
            await manager.mark_abandoned("journey-1", "USER_FATIGUE", requested_by="bob", note="angry")
            with pytest.raises(JourneyAlreadyAbandonedError):
                await manager.mark_abandoned("journey-1", requested_by="cid", note="too late")

    began_at = now_ms()
    asyncio.run(run())
    said = published(settings, JOURNEY_LIFECYCLE)
    assert [(each.kind, *who_and_why(each)) for each in said] == [
        ("started", None, None),
        ("extended", "ann", WHY),
        ("refused", "cid", "too late"),
    ]
    (abandoned,) = published(settings)
    assert who_and_why(abandoned) == ("bob", "angry")
    assert all(began_at <= each.detected_at <= now_ms() for each in [*said, abandoned])
    verified(settings)
