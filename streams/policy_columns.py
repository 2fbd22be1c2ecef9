"""Policies by number, and what rows as columns ask of many of them at once."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from journeys.schemas.arrays import Integers
from journeys.streams.rule.penalty import PenaltyTable
from journeys.streams.rule.policy import Policy

NO_BUDGET: Final = 2**63 - 1
"""Stands for a budget that nothing reaches."""


class PolicyColumns:
    """Durations (ms) and budgets (micros) by the number of their policy."""

    def __init__(self) -> None:
        self.numbered: list[Policy] = []
        self.penalties: list[PenaltyTable] = []
        self._numbers: dict[str, int] = {}
        self._arrange()

    def number_of(self, policy: Policy) -> int:
        """Number of a policy, which it is given where it has none."""
        number = self._numbers.get(policy.version)
        if number is None:
            number = self._numbers[policy.version] = len(self.numbered)
            self.numbered.append(policy)
            self.penalties.append(PenaltyTable(policy.penalty))
            self._arrange()
        return number

    def versions(self, numbers: NDArray[np.int32]) -> Any:
        """Versions of policies as an Arrow array."""
        return pa.array([policy.version for policy in self.numbered], pa.string()).take(pa.array(numbers))

    def _arrange(self) -> None:
        policies = self.numbered
        self.timeout_ms: Integers = np.array([policy.timeout_ms for policy in policies], np.int64)
        self.inactivity_ms: Integers = np.array([policy.inactivity_ms for policy in policies], np.int64)
        self.longest_ms: Integers = np.array([policy.max_journey_duration_ms for policy in policies], np.int64)
        self.grace_ms: Integers = np.array([policy.grace_ms for policy in policies], np.int64)
        self.cleanup_ms: Integers = np.array([policy.cleanup_ms for policy in policies], np.int64)
        quiet_periods_ms = [policy.conversion_quiet_period_ms for policy in policies]
        self.quiet_period_ms: Integers = np.array(quiet_periods_ms, np.int64)
        budgets = [NO_BUDGET if policy.budget_micros is None else policy.budget_micros for policy in policies]
        self.budget_micros: Integers = np.array(budgets, np.int64)
        self.keeps_touchpoint_times: NDArray[np.bool_] = np.array(
            [policy.keeps_touchpoint_times for policy in policies], np.bool_
        )
