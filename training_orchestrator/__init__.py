"""The trainer's front door: journeys that end, what that costs, and a feed of rewards. See docs/trainer.md.

Importing it loads the standard library only; the rule, SQLite or Kafka come with `start()`.
"""

from training_orchestrator.abandonment import AbandonedJourney, AbandonmentPenalty, AbandonmentReason
from training_orchestrator.analytics import AbandonmentAnalytics
from training_orchestrator.answers import (
    AnswerOutstandingError,
    JourneyAlreadyAbandonedError,
    JourneyConvertedError,
    JourneyRefusedError,
    NotStartedError,
    RequestTooLateError,
    StoreInUseError,
    StoreUnavailableError,
    UnknownJourneyError,
)
from training_orchestrator.configuration import ConfigurationError, TimeoutConfiguration, TrainingConfiguration
from training_orchestrator.core import TrainingOrchestrator
from training_orchestrator.figures import Figures
from training_orchestrator.journey_timeout import JourneyTimeoutManager, create_timeout_manager
from training_orchestrator.touchpoint import TrainerTouchpoint

__all__ = [
    "AbandonedJourney",
    "AbandonmentAnalytics",
    "AbandonmentPenalty",
    "AbandonmentReason",
    "AnswerOutstandingError",
    "ConfigurationError",
    "Figures",
    "JourneyAlreadyAbandonedError",
    "JourneyConvertedError",
    "JourneyRefusedError",
    "JourneyTimeoutManager",
    "NotStartedError",
    "RequestTooLateError",
    "StoreInUseError",
    "StoreUnavailableError",
    "TimeoutConfiguration",
    "TrainerTouchpoint",
    "TrainingConfiguration",
    "TrainingOrchestrator",
    "UnknownJourneyError",
    "create_timeout_manager",
]
