"""Fixtures of the trainer's tests."""

from live.conftest import workers

__all__ = ["workers"]
