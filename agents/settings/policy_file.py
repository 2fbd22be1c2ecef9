"""Loads a policy from a TOML file."""

from __future__ import annotations

from pathlib import Path

from journeys.streams.rule.policy import InvalidPolicyError, Policy, policy_from_toml


def load_policy(path: Path) -> Policy:
    """Policy in a file. Raises InvalidPolicyError, with the path, also if the file can't be read."""
    try:
        return policy_from_toml(path.read_text(encoding="utf-8-sig"))  # editors of Windows begin with a mark
    except OSError as error:
        raise InvalidPolicyError(f"{path}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InvalidPolicyError(f"{path}: not TOML in UTF-8: {error}") from None
    except InvalidPolicyError as error:
        raise InvalidPolicyError(f"{path}: {error}") from None
