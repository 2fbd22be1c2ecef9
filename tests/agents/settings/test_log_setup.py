"""Which loggers are quiet in a worker's log."""

import logging
from collections.abc import Iterator

import pytest

from journeys.agents.settings.log_setup import set_up_logging
from journeys.agents.settings.settings import Settings
from journeys.agents.worker.transport.batch_transport import BatchConsumer


@pytest.fixture
def logging_restored() -> Iterator[None]:
    """Handlers and levels as they were, afterwards."""
    loggers = [
        logging.getLogger(),
        *(each for each in logging.Logger.manager.loggerDict.values() if hasattr(each, "level")),
    ]
    before = [(each, each.level, list(each.handlers)) for each in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers


def test_services_of_faust_are_quiet_and_ours_are_not(logging_restored):
    """Our subclasses of Faust's services log rebalances under their modules' names; our own lines are wanted."""
    set_up_logging(Settings(_env_file=None))
    service = logging.getLogger(BatchConsumer.__module__)
    service.setLevel(logging.NOTSET)
    assert service.getEffectiveLevel() == logging.WARNING
    assert logging.getLogger("journeys.agent").getEffectiveLevel() == logging.INFO
