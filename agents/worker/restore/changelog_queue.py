"""The queue of fetched changelog records for the restore, without those fetched before the latest rebalance.

Faust clears the queue in a rebalance, but a fetch that is waiting to be put into it gets in afterwards. The restore
would then take the partition as read up to that fetch, and skip the records before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from faust.tables.manager import TableManager
from mode.utils.queues import ThrowableQueue

if TYPE_CHECKING:
    from journeys.agents.worker.ports.worker_ports import Membership


class ChangelogQueue(ThrowableQueue):  # type: ignore[misc]  # Faust is not typed
    """Gives only events that were fetched since the latest assignment."""

    def __init__(self, membership: Membership, flow_control: Any, maxsize: int) -> None:
        super().__init__(maxsize=maxsize, flow_control=flow_control, clear_on_resume=True)
        self._membership = membership

    async def get(self) -> Any:
        """Wait for the next event."""
        while True:
            event = await super().get()
            if event.message.generation_id == self._membership.consumer_generation_id:
                return event


class JourneyTables(TableManager):  # type: ignore[misc]  # Faust is not typed
    """Faust's table manager with a ChangelogQueue."""

    app: Any
    _changelog_queue: ChangelogQueue | None

    async def on_start(self) -> None:
        """Start without the second that Faust waits for tables that might still be defined."""
        await self._update_channels()
        await self.recovery.start()

    @property
    def changelog_queue(self) -> ChangelogQueue:
        """The queue that all changelogs share."""
        if self._changelog_queue is None:
            self._changelog_queue = ChangelogQueue(self.app, self.app.flow_control, self.app.conf.stream_buffer_maxsize)
        return self._changelog_queue
