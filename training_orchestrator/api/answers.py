"""The answers that are no success: one for each thing that can be the matter. docs/trainer.md has them as a table."""

from __future__ import annotations

from journeys.schemas.expected_error import ExpectedError


class NotStartedError(RuntimeError):
    """A call before `start()` or after `stop()`, or in another event loop than that of `start()`."""


class StoreUnavailableError(ExpectedError):
    """The store (file, or Kafka) did not take what was said. Nothing of this call is booked; ask again later."""


class AnswerOutstandingError(StoreUnavailableError):
    """The record may be in the log, but no answer came in time: the worker that decides it is down or behind.

    Once it is back the record counts. A second call is safe: it never books twice.
    """


class StoreInUseError(StoreUnavailableError):
    """Another manager, of this process or another, holds the store's file: one decides its journeys."""


class JourneyRefusedError(Exception):
    """The journey is not open, so that nothing was booked."""

    def __init__(self, journey_id: str, text: str) -> None:
        super().__init__(f"journey {journey_id!r} {text}")
        self.journey_id = journey_id


class UnknownJourneyError(JourneyRefusedError, LookupError):
    """The journey was never seen, or ended so long ago that it is forgotten."""


class JourneyConvertedError(JourneyRefusedError):
    """The journey's last episode ended in a conversion, which is never charged."""


class JourneyAlreadyAbandonedError(JourneyRefusedError):
    """The journey's last episode is abandoned already: booked once, under `abandonment_id`, for `reason`."""

    def __init__(self, journey_id: str, text: str, abandonment_id: str | None, reason: str | None) -> None:
        super().__init__(journey_id, text)
        self.abandonment_id = abandonment_id
        self.reason = reason


class RequestTooLateError(JourneyRefusedError):
    """What was asked lies before the end of the journey's last episode."""


def refusal_of(
    journey_id: str, refusal: str | None, abandonment_id: str | None, reason: str | None
) -> JourneyRefusedError:
    """Error of a refusal, as the lifecycle topic names it."""
    if refusal == "unknown_journey":
        return UnknownJourneyError(journey_id, "is not known: never seen, or forgotten")
    if refusal == "already_converted":
        return JourneyConvertedError(journey_id, "has converted, and is not charged")
    if refusal == "already_abandoned":
        text = f"was abandoned already: {reason}, booked once as {abandonment_id}"
        return JourneyAlreadyAbandonedError(journey_id, text, abandonment_id, reason)
    return RequestTooLateError(journey_id, "has moved on: the request lies before the end of its last episode")
