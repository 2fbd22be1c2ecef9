"""Fixtures of all tests."""

from broker_fixture import broker

__all__ = ["broker"]
