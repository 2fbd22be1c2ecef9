"""Errors of the API, one for each cause. docs/trainer.md has them as a table."""

from __future__ import annotations

from journeys.schemas.expected_error import ExpectedError, PicklableError


class NotStartedError(RuntimeError):
    """A call before `start()` or after `stop()`, or in another event loop than that of `start()`."""


class StoreUnavailableError(ExpectedError):
    """The store (file or Kafka) is not available. The call has changed nothing; try again later."""


class AnswerOutstandingError(StoreUnavailableError):
    """No answer came in time, but the record may be in the log: Kafka or the worker is down or lags.

    Once it is back the record counts. A second call is safe: nothing is charged twice.
    """


class StoreInUseError(StoreUnavailableError):
    """Another manager, in this process or another, has the store's file open; only one may."""


class JourneyRefusedError(PicklableError):
    """The journey is not open; no penalty was charged."""

    def __init__(self, journey_id: str, text: str) -> None:
        super().__init__(f"journey {journey_id!r} {text}")
        self.journey_id = journey_id


class UnknownJourneyError(JourneyRefusedError, LookupError):
    """The journey was never seen, or was deleted by cleanup long after its end."""


class JourneyConvertedError(JourneyRefusedError):
    """The journey's last episode ended in a conversion, which has no penalty."""


class JourneyAlreadyAbandonedError(JourneyRefusedError):
    """The journey's last episode was abandoned already, for `reason`: charged once, under `abandonment_id`."""

    def __init__(self, journey_id: str, text: str, abandonment_id: str | None, reason: str | None) -> None:
        super().__init__(journey_id, text)
        self.abandonment_id = abandonment_id
        self.reason = reason


class RequestTooLateError(JourneyRefusedError):
    """The request's time is before the end of the journey's last episode."""


def refusal_of(
    journey_id: str, refusal: str | None, abandonment_id: str | None, reason: str | None
) -> JourneyRefusedError:
    """Error for a `refusal` of the lifecycle topic."""
    if refusal == "unknown_journey":
        return UnknownJourneyError(journey_id, "is not known: never seen, or deleted by cleanup")
    if refusal == "already_converted":
        return JourneyConvertedError(journey_id, "has converted: no penalty is charged")
    if refusal == "already_abandoned":
        text = f"was abandoned already: {reason}, charged once as {abandonment_id}"
        return JourneyAlreadyAbandonedError(journey_id, text, abandonment_id, reason)
    return RequestTooLateError(journey_id, "has ended later: the request's time is before the end of its last episode")
