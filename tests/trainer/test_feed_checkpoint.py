"""Checkpoints of a feed: the items before and after one are all items, each once."""

import pytest

from training_orchestrator import AbandonmentFeed
from training_orchestrator.api.local_time import datetime_of
from training_orchestrator.feed.feed_checkpoint import BadCheckpointError
from training_orchestrator.sources.file_sources import ReplayFileSource

from .feed_of_store import COUNT, PENALTY, all_of, replay_files, split
from .store_of_journeys import BEGIN


@pytest.mark.parametrize("stop", [0, 1, 99, 100, 105, 119, 120])
def test_a_feed_goes_on_from_its_checkpoint(full_store, stop):
    """Stopped after any item, also between an abandonment and its correction: all items in the end, each once."""
    with AbandonmentFeed.from_store(full_store, follow=False, rewards=PENALTY) as feed:
        first = feed.take_blocking(stop, 5) if stop else []
        checkpoint = feed.checkpoint()
    assert len(first) == stop
    assert first + all_of(full_store, start=checkpoint) == all_of(full_store)


@pytest.mark.parametrize("stop", [1, 2, 50, 110])
def test_a_correction_that_is_published_first_waits_for_its_abandonment(full_store, tmp_path, stop):
    """Two topics are read side by side. The checkpoint keeps it, be its abandonment given or not."""
    source = LifecycleFirst(*replay_files(full_store, tmp_path))
    with AbandonmentFeed(source, rewards=PENALTY, follow=False) as feed:
        first = feed.take_blocking(stop, 5)
        checkpoint = feed.checkpoint()
        assert feed.held_corrections > 0
        rest = list(feed)
    with AbandonmentFeed(source, rewards=PENALTY, follow=False, start=checkpoint) as feed:
        assert list(feed) == rest
        assert feed.held_corrections == 0
    assert sorted(map(repr, first + rest)) == sorted(map(repr, all_of(full_store)))


def test_what_is_published_twice_is_given_once(full_store, tmp_path):
    """A worker that crashed publishes a flush again, also after a checkpoint."""
    paths = replay_files(full_store, tmp_path)
    for path in paths:
        path.write_text(path.read_text() * 3)
    with AbandonmentFeed.from_files(*paths, rewards=PENALTY) as feed:
        first = feed.take_blocking(COUNT // 2, 5)
        checkpoint = feed.checkpoint()
    with AbandonmentFeed.from_files(*paths, start=checkpoint, rewards=PENALTY) as feed:
        assert first + list(feed) == [item for part in split(all_of(full_store)) for item in part]


class LifecycleFirst(ReplayFileSource):
    """Gives the lifecycle file before the abandonments."""

    def __init__(self, *paths):
        super().__init__(*paths)
        self._files.reverse()


@pytest.mark.parametrize("spoil", [lambda stored: stored[:-3], lambda _: b"", lambda stored: b"x" + stored[1:]])
def test_a_spoilt_checkpoint_is_refused(full_store, spoil):
    """Cut off or changed: a feed that began elsewhere would count twice."""
    with AbandonmentFeed.from_store(full_store, follow=False, rewards=PENALTY) as feed:
        feed.take_blocking(3, 5)
        checkpoint = feed.checkpoint()
    with pytest.raises(BadCheckpointError, match="not a whole checkpoint"):
        AbandonmentFeed.from_store(full_store, start=spoil(checkpoint)).__enter__()


def test_a_checkpoint_of_another_question_is_refused(full_store, tmp_path):
    """Another source, or another as_of."""
    with AbandonmentFeed.from_store(full_store, follow=False, rewards=PENALTY) as feed:
        checkpoint = feed.checkpoint()
    with pytest.raises(BadCheckpointError, match="another as_of"):
        AbandonmentFeed.from_store(full_store, start=checkpoint, rewards=PENALTY, as_of=datetime_of(BEGIN)).__enter__()
    with pytest.raises(BadCheckpointError, match="from store"):
        AbandonmentFeed.from_files(*replay_files(full_store, tmp_path), start=checkpoint, rewards=PENALTY).__enter__()
