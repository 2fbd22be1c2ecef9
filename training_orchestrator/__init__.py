"""The trainer's API: journeys with timeouts, the penalties of abandonments, and a feed of rewards. See docs/trainer.md.

Importing it loads little more than the standard library; the rule, SQLite and Kafka are loaded by `start()`, the feed,
the producer and some others when their names are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from training_orchestrator.api.abandonment import AbandonedJourney, AbandonmentPenalty, AbandonmentReason
from training_orchestrator.api.analytics import AbandonmentAnalytics
from training_orchestrator.api.answers import (
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
from training_orchestrator.api.configuration import ConfigurationError, TimeoutConfiguration, TrainingConfiguration
from training_orchestrator.api.figures import Figures
from training_orchestrator.api.touchpoint import TrainerTouchpoint
from training_orchestrator.core import TrainingOrchestrator
from training_orchestrator.feed.feed_items import AbandonmentItem, ConversionItem, CorrectionItem, FeedItem, RewardRule
from training_orchestrator.journey_timeout import JourneyTimeoutManager, create_timeout_manager

if TYPE_CHECKING:
    from journeys.schemas.invalid import InvalidRecordError
    from training_orchestrator.connected.touchpoint_producer import TouchpointProducer as TouchpointProducer
    from training_orchestrator.feed.abandonment_feed import AbandonmentFeed
    from training_orchestrator.feed.feed_checkpoint import BadCheckpointError
    from training_orchestrator.feed.feed_progress import CorrectionRule
    from training_orchestrator.offline_dataset import ExportedDataset, export_dataset
    from training_orchestrator.rewards.episode_view import EpisodeView
    from training_orchestrator.rewards.journey_rewards import JourneyRewards as JourneyRewards
    from training_orchestrator.rewards.journey_rewards import Transition as Transition
    from training_orchestrator.rewards.reward_ledger import LateReward, RewardLedger
    from training_orchestrator.runtime.json_logs import log_as_json
    from training_orchestrator.sync_manager import SyncJourneyTimeoutManager

_LAZY = {
    "AbandonmentFeed": "training_orchestrator.feed.abandonment_feed",
    "BadCheckpointError": "training_orchestrator.feed.feed_checkpoint",
    "CorrectionRule": "training_orchestrator.feed.feed_progress",
    "EpisodeView": "training_orchestrator.rewards.episode_view",
    "ExportedDataset": "training_orchestrator.offline_dataset",
    "InvalidRecordError": "journeys.schemas.invalid",
    "JourneyRewards": "training_orchestrator.rewards.journey_rewards",
    "LateReward": "training_orchestrator.rewards.reward_ledger",
    "RewardLedger": "training_orchestrator.rewards.reward_ledger",
    "SyncJourneyTimeoutManager": "training_orchestrator.sync_manager",
    "Transition": "training_orchestrator.rewards.journey_rewards",
    "export_dataset": "training_orchestrator.offline_dataset",
    "log_as_json": "training_orchestrator.runtime.json_logs",
    "TouchpointProducer": "training_orchestrator.connected.touchpoint_producer",
}

# JourneyRewards, Transition and TouchpointProducer are left out: `import *` must work without their extras.
__all__ = [
    "AbandonedJourney",
    "AbandonmentAnalytics",
    "AbandonmentFeed",
    "AbandonmentItem",
    "AbandonmentPenalty",
    "AbandonmentReason",
    "AnswerOutstandingError",
    "BadCheckpointError",
    "ConfigurationError",
    "ConversionItem",
    "CorrectionItem",
    "CorrectionRule",
    "EpisodeView",
    "ExportedDataset",
    "FeedItem",
    "Figures",
    "InvalidRecordError",
    "JourneyAlreadyAbandonedError",
    "JourneyConvertedError",
    "JourneyRefusedError",
    "JourneyTimeoutManager",
    "LateReward",
    "NotStartedError",
    "RequestTooLateError",
    "RewardLedger",
    "RewardRule",
    "StoreInUseError",
    "StoreUnavailableError",
    "SyncJourneyTimeoutManager",
    "TimeoutConfiguration",
    "TrainerTouchpoint",
    "TrainingConfiguration",
    "TrainingOrchestrator",
    "UnknownJourneyError",
    "create_timeout_manager",
    "export_dataset",
    "log_as_json",
]


if not TYPE_CHECKING:  # a type checker would take every name for existing

    def __getattr__(name: str) -> Any:
        if name in _LAZY:
            return getattr(import_module(_LAZY[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
