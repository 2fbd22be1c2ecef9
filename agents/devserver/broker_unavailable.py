"""The one error of everything that finds or starts a broker."""

from __future__ import annotations

from journeys.schemas.expected_error import ExpectedError

INSTALL = (
    "no Kafka can be started here: pip install 'gaelp-journeys[broker]' brings Java and fetches Kafka; "
    "or install a JDK (17 or newer) and Maven, or start Docker, "
    "or set JOURNEYS_BOOTSTRAP_SERVERS to the address of a Kafka that runs"
)


class BrokerUnavailable(ExpectedError):  # noqa: N818 - the project's public name; it says what is, as TimeoutError does not
    """No broker can be had; the message is for the person at the keyboard and says what to do."""
