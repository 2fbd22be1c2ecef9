"""Fixtures of the comparison's tests."""

from tests.peers.made_work import abandonments, reference, touchpoints

__all__ = ["abandonments", "reference", "touchpoints"]
