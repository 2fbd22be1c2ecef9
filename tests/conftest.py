"""Fixtures of all tests."""

from tests.fixtures.broker_fixture import broker, last_rung

__all__ = ["broker", "last_rung"]
