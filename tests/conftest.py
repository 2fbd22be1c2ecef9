"""Fixtures of all tests."""

from tests.fixtures.bare_machine import bare_path, without_packages
from tests.fixtures.broker_fixture import broker, last_rung
from tests.fixtures.kafka_cluster import cluster
from tests.fixtures.left_out import pytest_make_collect_report, pytest_runtest_makereport

__all__ = [
    "bare_path",
    "broker",
    "cluster",
    "last_rung",
    "pytest_make_collect_report",
    "pytest_runtest_makereport",
    "without_packages",
]
