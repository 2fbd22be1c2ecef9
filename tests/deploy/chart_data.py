"""What the chart knows of Kafka: topics, their settings, rights of each role, from the code that decides on them.

`python -m tests.deploy.chart_data` writes deploy/helm/journeys/files/kafka.json; a test fails when the two differ.
"""

from __future__ import annotations

import json
from typing import Any, Final

from journeys.agents.kafka.rights import ROLES, Role, rights_of
from journeys.schemas.topics import SAFE_REPLICAS, replica_settings, topic_map
from tests.packaging.built import ROOT

FILE: Final = ROOT / "deploy" / "helm" / "journeys" / "files" / "kafka.json"
APPLICATION: Final = "@application@"
PREFIX: Final = "@prefix@"


def chart_data() -> dict[str, Any]:
    """The content of the file; the chart puts its own names in the place of application and prefix."""
    topics = [{"name": topic.name, "settings": topic.settings} for topic in topic_map(APPLICATION, PREFIX)]
    return {
        "topics": topics,
        "safe_replicas": SAFE_REPLICAS,
        "settings_of_safe_replicas": replica_settings(SAFE_REPLICAS),
        "rights": {role: _acls(role) for role in ROLES},
    }


def _acls(role: Role) -> list[dict[str, Any]]:
    """Rights of a role, those on one resource as one."""
    operations: dict[tuple[str, str], list[str]] = {}
    for right in rights_of(role, APPLICATION, PREFIX):
        operations.setdefault((right.resource, right.name), []).append(right.operation)
    return [{"resource": resource, "name": name, "operations": found} for (resource, name), found in operations.items()]


def chart_text() -> str:
    """The file as it is written."""
    return json.dumps(chart_data(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(chart_text(), "utf-8")
