"""Configurations of the manager and of the orchestrator, and the policy made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeGuard

if TYPE_CHECKING:
    from journeys.streams.rule.policy import Policy

DEFAULT_STORE: Final = Path(".journeys") / "training.sqlite3"
"""Default file of an embedded manager."""
_STATES: Final = ("UNAWARE", "AWARE", "CONSIDERING", "INTENT", "CONVERTED")
_MAY_BE_ZERO: Final = frozenset({"grace_seconds"})


class ConfigurationError(ValueError):
    """A configuration that is not allowed; the text names the field, the value and what would be right."""


@dataclass(frozen=True, slots=True)
class TimeoutConfiguration:
    """Timeouts, cleanup and penalty weights of a manager. The defaults are those of the default policy.

    `state_penalty_weights` are weights (0 or more) by state; a state that is left out keeps its default.
    """

    default_timeout_days: float = 14
    inactivity_threshold_hours: float = 72
    max_journey_duration_days: float = 90
    abandonment_check_interval_minutes: float = 30
    cleanup_batch_size: int = 1000
    state_penalty_weights: Mapping[str, float] = field(default_factory=dict)
    cleanup_stale_data_days: float = 30
    grace_seconds: float = 60

    def __post_init__(self) -> None:
        """Raise ConfigurationError for a value that is not allowed."""
        _check_numbers(self)
        if not is_whole(self.cleanup_batch_size):
            raise ConfigurationError(f"cleanup_batch_size: {self.cleanup_batch_size!r} is not a whole number")
        _require_below_cap("default_timeout_days", self.default_timeout_days, self.max_journey_duration_days)
        if not isinstance(self.state_penalty_weights, Mapping):
            raise ConfigurationError(f"state_penalty_weights: {self.state_penalty_weights!r} is not a dict by state")
        for state, weight in self.state_penalty_weights.items():
            if state not in _STATES:
                raise ConfigurationError(f"state_penalty_weights: {state!r} is not one of {', '.join(_STATES)}")
            if not is_number(weight) or not 0 <= weight < float("inf"):
                raise ConfigurationError(f"state_penalty_weights[{state}]: {weight!r} is not a number, zero or more")

    def policy(self) -> Policy:
        """Policy of this configuration; its version is derived from its content. Raises ConfigurationError."""
        from journeys.streams.rule.policy import InvalidPolicyError  # noqa: PLC0415  (as in _policy_of)

        try:
            return _policy_of(self)
        except InvalidPolicyError as error:
            raise ConfigurationError(f"this configuration makes no valid policy: {error}") from None


@dataclass(frozen=True, slots=True)
class TrainingConfiguration:
    """Configuration of a TrainingOrchestrator."""

    journey_timeout_days: float = 14
    inactivity_threshold_hours: float = 72
    cleanup_stale_data_days: float = 30
    max_journey_duration_days: float = 90
    abandonment_check_interval_minutes: float = 30
    state_penalty_weights: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ConfigurationError for a value that is not allowed."""
        _check_numbers(self)
        _require_below_cap("journey_timeout_days", self.journey_timeout_days, self.max_journey_duration_days)
        self.timeouts()

    def timeouts(self) -> TimeoutConfiguration:
        """TimeoutConfiguration with the same values."""
        return TimeoutConfiguration(
            default_timeout_days=self.journey_timeout_days,
            inactivity_threshold_hours=self.inactivity_threshold_hours,
            max_journey_duration_days=self.max_journey_duration_days,
            abandonment_check_interval_minutes=self.abandonment_check_interval_minutes,
            state_penalty_weights=self.state_penalty_weights,
            cleanup_stale_data_days=self.cleanup_stale_data_days,
        )


def given_policy(policy: Policy | Mapping[str, Any] | Path | str | None) -> Callable[[], Policy | None]:
    """Gives a function that makes the policy: of a TOML file, of tables, or as it is. It raises ConfigurationError."""

    def made() -> Policy | None:
        if policy is None:
            return None
        from journeys.streams.rule.policy import Policy, policy_from_toml, policy_of_tables  # noqa: PLC0415  (as in _policy_of)

        if isinstance(policy, Policy):
            return policy
        try:
            if isinstance(policy, Mapping):
                return policy_of_tables(dict(policy))
            return policy_from_toml(user_path(policy, "policy").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"policy: {error}") from None

    return made


def user_path(path: Path | str, name: str = "store_path") -> Path:
    """Path with `~` as the user's home. Raises ConfigurationError."""
    try:
        return Path(path).expanduser()
    except (RuntimeError, TypeError):
        raise ConfigurationError(f"{name}: {path!r} is not a path; ~ is the home of a user that is there") from None


def is_whole(value: object) -> bool:
    """Whether it is a whole number, numpy's among them; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[float]:
    """Whether a setting is a number; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _require_below_cap(name: str, timeout_days: float, most: float) -> None:
    if timeout_days > most:
        raise ConfigurationError(
            f"{name}: {timeout_days!r} is more than max_journey_duration_days, {most!r}, which would cut it: "
            "give a greater one, too"
        )


def _check_numbers(configuration: Any) -> None:
    for each in fields(configuration):
        value = getattr(configuration, each.name)
        if each.name == "state_penalty_weights":
            continue
        wanted = "zero or more" if each.name in _MAY_BE_ZERO else "above zero"
        is_allowed = is_number(value) and (value > 0 or (value == 0 and each.name in _MAY_BE_ZERO))
        if not is_allowed or value == float("inf"):
            raise ConfigurationError(f"{each.name}: {value!r} is not a number {wanted}")


def _policy_of(configuration: TimeoutConfiguration) -> Policy:
    # Imported here to keep the package's import fast: pydantic alone takes longer than all the rest.
    from hashlib import blake2b  # noqa: PLC0415

    from journeys.streams.rule.policy import DEFAULT_POLICY, policy_from_json  # noqa: PLC0415

    tables = {
        "deadlines": {
            "timeout_days": str(configuration.default_timeout_days),
            "inactivity_hours": str(configuration.inactivity_threshold_hours),
            "max_journey_duration_days": str(configuration.max_journey_duration_days),
            "grace_seconds": str(configuration.grace_seconds),
        },
        "cleanup": {
            "stale_data_days": str(configuration.cleanup_stale_data_days),
            "batch_size": int(configuration.cleanup_batch_size),
        },
        "penalty": {
            "state_weight": {state: str(weight) for state, weight in configuration.state_penalty_weights.items()}
        },
    }
    unnamed = policy_from_json(_json({"version": "unnamed", **tables}))
    if unnamed.model_copy(update={"version": DEFAULT_POLICY.version}) == DEFAULT_POLICY:
        return DEFAULT_POLICY
    # By content, so that the same configuration is the same policy in every process.
    version = "trainer-" + blake2b(unnamed.to_json().encode(), digest_size=8).hexdigest()
    return policy_from_json(_json({"version": version, **tables}))


def _json(content: Mapping[str, Any]) -> str:
    import json  # noqa: PLC0415  (as above)

    return json.dumps(content)
