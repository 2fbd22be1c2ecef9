"""What is secret is shown nowhere: not in logs at their most talkative, not by the command line, not in tracebacks."""

import asyncio
import base64
import traceback

import pytest

from journeys.agents.kafka.connection import KafkaRefusedError, client_options, require_broker
from journeys.agents.kafka.rights import Right
from journeys.agents.kafka.topic_setup import create_topics
from journeys.agents.settings.kafka_security import faust_credentials
from journeys.clock import now_ms
from journeys.schemas.topics import JOURNEY_ABANDONMENTS
from tests.fixtures.fresh_kafka import delete_topics
from tests.live.topic_exchange import append

from .acls import grant, revoke
from .secure_kafka import ADMIN
from .test_connections import OF_A_KEY, REFUSED, visits, with_encrypted_key

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def shown_forms(secret: str) -> list[str]:
    """Give the forms in which a secret would be recognised."""
    return [secret, base64.b64encode(secret.encode()).decode(), secret.encode().hex(), repr(secret.encode())[2:-1]]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_a_worker_that_logs_all_it_can_and_fails_shows_no_password(kafka, workers, mechanism):
    """At level debug, from start to a refusal that ends it; PLAIN sends the password, SCRAM a proof of it."""
    admin, right = kafka.mutual_tls(ADMIN), Right("Write", "topic", JOURNEY_ABANDONMENTS)
    delete_topics(admin)
    asyncio.run(create_topics(admin))
    settings = kafka.scram("worker", sasl_mechanism=mechanism, sasl_password_file=None, sasl_password=kafka.password)
    worker = workers.start(settings, log_level="debug", sasl_password=kafka.password)
    worker.wait_until_logged("restored: partitions [0, 1, 2, 3]")
    asyncio.run(revoke(admin, "worker", right))
    try:
        append(admin, *visits(["journey-1"], now_ms()))
        assert worker.exit_code(60) == 70, worker.told("did not fail")
    finally:
        asyncio.run(grant(admin, [("worker", right)]))
    assert f"no right to Write topic {JOURNEY_ABANDONMENTS} any more" in worker.log
    assert "debug" in worker.log
    for form in shown_forms(kafka.password):
        assert form not in worker.log
    assert "SaslAuthenticate" not in worker.log


@pytest.mark.parametrize("case", REFUSED)
def test_an_error_and_its_traceback_show_no_password(kafka, case):
    """With all that caused it, and with the values of all variables."""
    settings = REFUSED[case][0](kafka)
    with pytest.raises(KafkaRefusedError) as raised:
        asyncio.run(require_broker(settings))
    told = "".join(traceback.TracebackException.from_exception(raised.value, capture_locals=True).format())
    assert "options = " in told
    secrets = [kafka.password, OF_A_KEY]
    if settings.sasl_password is not None:
        secrets.append(settings.sasl_password.get_secret_value())
    for secret in secrets:
        for form in shown_forms(secret):
            assert form not in told


def test_what_clients_are_made_of_shows_no_password(kafka):
    """Settings, options of aiokafka, credentials of Faust: whoever prints one of them prints no secret."""
    for settings in (kafka.scram("worker"), with_encrypted_key(kafka)):
        options = asyncio.run(client_options(settings))
        told = f"{settings!r} {settings} {settings.model_dump()} {options!r} {faust_credentials(options)!r}"
        for secret in (kafka.password, OF_A_KEY):
            assert secret not in told
    assert asyncio.run(client_options(kafka.scram("worker")))["sasl_plain_password"] == kafka.password
