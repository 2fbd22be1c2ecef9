"""What is deployed says the same as what is tested."""

import json
from pathlib import Path

import yaml

from agents.bigquery.client import Warehouse
from agents.bigquery.connector import connector

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
# What can't be the same here and in production: who is written to and how, how many, and the other converter.
OTHERWISE = {
    "project",
    "tasks.max",
    "keySource",
    "useStorageWriteApi",
    "bigQueryRetry",
    "bigQueryRetryWait",
    "key.converter",
    "consumer.override.max.poll.records",
    "consumer.override.session.timeout.ms",
    "consumer.override.heartbeat.interval.ms",
    "errors.deadletterqueue.topic.replication.factor",
    "errors.log.include.messages",
}


def settings_of(config):
    """Settings that must agree."""
    return {
        name: value
        for name, value in config.items()
        if name not in OTHERWISE and not name.startswith("value.converter")
    }


def test_production_and_tests_agree_on_topics_tables_and_dead_letters():
    """All settings but those that name the place or the other converter."""
    production = json.loads((DEPLOY / "connect" / "bigquery-sink.json").read_text())["config"]
    tested = connector(Warehouse("p", "journeys", None, None), "http://registry")["config"]
    assert settings_of(production) == settings_of(tested)


def test_strimzi_is_told_the_same_as_connect():
    """One configuration, in two forms."""
    production = json.loads((DEPLOY / "connect" / "bigquery-sink.json").read_text())
    resource = yaml.safe_load((DEPLOY / "connect" / "kafka-connector.yaml").read_text())
    assert resource["metadata"]["name"] == production["name"]
    assert (
        resource["spec"]["config"]
        | {
            "connector.class": resource["spec"]["class"],
            "tasks.max": str(resource["spec"]["tasksMax"]),
        }
        == production["config"]
    )


def test_compose_names_files_that_are_there():
    """Its build context holds the Dockerfile, and each service is one that may start."""
    folder = DEPLOY / "docker"
    services = yaml.safe_load((folder / "compose.yaml").read_text())["services"]
    assert services.keys() == {"stack", "worker", "redis"}
    for service in services.values():
        assert service.keys() & {"build", "image"}
        if "build" in service:
            context = (folder / service["build"]["context"]).resolve()
            assert (context / service["build"]["dockerfile"]).is_file()
        assert set(service.get("depends_on", {})) <= services.keys()
