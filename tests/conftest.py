"""Fixtures of all tests."""

from broker_fixture import broker, last_rung

__all__ = ["broker", "last_rung"]
