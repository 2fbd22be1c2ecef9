"""The chart, rendered by helm in its variants: as the schemas of Kubernetes and operators say, and true to the code.

Schemas of Strimzi, KEDA and the Prometheus operator are in tests/deploy/schemas, made of the resources that their
projects publish.
"""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache

import kubernetes_validate
import pytest
import yaml

from journeys.agents.kafka.rights import ROLES, Right, rights_of
from journeys.agents.settings.settings import Settings
from journeys.schemas.topics import replica_settings, topic_map
from tests.deploy.chart_data import FILE, chart_text
from tests.fixtures.go_programs import go_program
from tests.packaging.built import ROOT

pytestmark = pytest.mark.slow
CHART = ROOT / "deploy" / "helm" / "journeys"
SCHEMAS = ROOT / "tests" / "deploy" / "schemas"
KUBERNETES = ("1.29", "1.37")
OWN = {"v1", "apps/v1", "policy/v1", "networking.k8s.io/v1"}
SERVERS = {"kafka": {"bootstrapServers": "kafka-1:9093,kafka-2:9093"}}
EVERYTHING = {
    "topicPrefix": "",
    "autoscaling": {"enabled": True},
    "metrics": {
        "serviceMonitor": True,
        "rules": True,
        "dashboard": True,
        "token": {"secret": "metrics"},  # pragma: allowlist secret
    },
    "strimzi": {"cluster": "main", "topics": True, "users": list(ROLES)},
    "sink": {
        "enabled": True,
        "project": "shop",
        "serviceAccountAnnotations": {"iam.gke.io/gcp-service-account": "a@b"},
    },
    "connect": {"enabled": True},
    "networkPolicy": {"egressPorts": [8081]},
    "worker": {
        "storageClass": "fast",
        "nodeSelector": {"pool": "a"},
        "tolerations": [{"key": "a", "operator": "Exists"}],
    },
    "image": {"pullSecrets": ["registry"]},
}
VARIANTS = {
    "least": SERVERS,
    "everything": {**SERVERS, **EVERYTHING},
    "certificates": {
        **EVERYTHING,
        "kafka": {**SERVERS["kafka"], "securityProtocol": "SSL", "ca": {"secret": "ca"}},  # pragma: allowlist secret
    },
    "plaintext": {**EVERYTHING, "kafka": {**SERVERS["kafka"], "securityProtocol": "PLAINTEXT"}},
    "prefixed": {
        **SERVERS,
        **EVERYTHING,
        "topicPrefix": "staging.",
        "application": "shop",
        "connect": {"enabled": False},
        "settings": {"JOURNEYS_LOG_FORMAT": "console"},
    },
}


def helm(*arguments, values=None, folder):
    """Run it with values in a file."""
    given = folder / "values.json"
    given.write_text(json.dumps(values or {}))
    command = [go_program("helm"), *arguments, "--values", given]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def rendered(values, folder):
    """Text of all resources, or a failure."""
    return _rendered(json.dumps(values), folder.parent)


@cache
def _rendered(values, folder):
    done = helm("template", "--kube-version", KUBERNETES[0], "shop", CHART, values=json.loads(values), folder=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def resources(values, folder):
    """Resources by kind and name."""
    found = [each for each in yaml.safe_load_all(rendered(values, folder)) if each]
    return {(each["kind"], each["metadata"]["name"]): each for each in found}


@pytest.fixture(scope="module", params=VARIANTS)
def variant(request, tmp_path_factory):
    """Resources of each variant."""
    return resources(VARIANTS[request.param], tmp_path_factory.mktemp("chart"))


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """Resources with all that there is."""
    return resources(VARIANTS["everything"], tmp_path_factory.mktemp("chart"))


def faults(text, versions=KUBERNETES):
    """What the schemas find: Kubernetes's for its kinds, and those of operators, by kubeconform."""
    found, others = [], []
    for each in filter(None, yaml.safe_load_all(text)):
        if each["apiVersion"] not in OWN:
            others.append(each)
            continue
        for version in versions:
            try:
                kubernetes_validate.validate(each, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                found.append(f"{each['kind']}: {error.message}")
    if others:
        place = f"{SCHEMAS}/{{{{.ResourceKind}}}}_{{{{.ResourceAPIVersion}}}}.json"
        command = [go_program("kubeconform"), "-strict", "-summary", "-schema-location", place]
        told = subprocess.run(command, input=yaml.dump_all(others), capture_output=True, text=True, check=False)
        if not re.search(rf"Valid: {len(others)}, Invalid: 0, Errors: 0, Skipped: 0", told.stdout):
            found.append(told.stdout)
    return found


@pytest.mark.parametrize("name", VARIANTS)
def test_each_variant_is_what_the_schemas_say(name, tmp_path):
    """No field that Kubernetes or an operator does not know, none of the wrong type, none missing."""
    assert faults(rendered(VARIANTS[name], tmp_path)) == []


@pytest.mark.parametrize(
    "wrong", ["maxUnavailible: 1", "minReplicaCuont: 3", "topicname: journey-events", "prot: metrics"]
)
def test_the_schemas_find_what_is_wrong(wrong, tmp_path):
    """A name with letters wrong, in a kind of Kubernetes and of each operator."""
    right = {
        "maxUnavailible": "maxUnavailable",
        "minReplicaCuont": "minReplicaCount",
        "topicname": "topicName",
        "prot": "- port",
    }
    name, _, value = wrong.partition(": ")
    text = rendered(VARIANTS["everything"], tmp_path)
    spoiled = text.replace(f"{right[name]}: {value}", f"{'- ' * (name == 'prot')}{wrong}")
    assert spoiled != text
    assert faults(spoiled, KUBERNETES[:1])


def test_helm_finds_nothing_to_say(tmp_path):
    """Its lint, with warnings counted."""
    done = helm("lint", "--strict", CHART, values=SERVERS, folder=tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({}, "bootstrapServers"),
        ({**SERVERS, "workers": {}}, "workers"),
        ({**SERVERS, "settings": {"JOURNEYS_SASL_PASSWORD": "x"}}, "JOURNEYS_SASL_PASSWORD"),
        ({**SERVERS, "settings": {"JOURNEYS_METRICS_TOKEN": "x"}}, "JOURNEYS_METRICS_TOKEN"),
        ({**SERVERS, "strimzi": {"topics": True}}, "strimzi.cluster"),
        ({**SERVERS, "strimzi": {"cluster": "a", "users": ["admin"]}}, "users"),
        ({**SERVERS, "topicPrefix": "a.", "connect": {"enabled": True}}, "topicPrefix"),
        ({**SERVERS, "sink": {"enabled": True}}, "sink.project"),
        ({**SERVERS, "partitions": 2, "autoscaling": {"enabled": True}}, "minReplicas"),
        ({**SERVERS, "kafka": {**SERVERS["kafka"], "password": {"secret": ""}}}, "kafka-password"),
    ],
)
def test_wrong_values_are_refused_by_name(values, named, tmp_path):
    """Before anything is applied."""
    done = helm("template", "--kube-version", KUBERNETES[0], "shop", CHART, values=values, folder=tmp_path)
    assert done.returncode != 0
    assert named in done.stderr


def test_topics_and_rights_are_those_of_the_code():
    """`python -m tests.deploy.chart_data` writes the file."""
    assert FILE.read_text() == chart_text()


@pytest.mark.parametrize(("application", "prefix"), [("journeys", ""), ("shop", "staging.")])
def test_strimzi_makes_the_topics_and_gives_the_rights_of_the_code(application, prefix, tmp_path):
    """Each topic with its settings; each role with its rights, no more and no less."""
    values = VARIANTS["everything" if not prefix else "prefixed"]
    found = resources(values, tmp_path)
    topics = {each["spec"]["topicName"]: each["spec"] for (kind, _), each in found.items() if kind == "KafkaTopic"}
    assert {name: spec["config"] for name, spec in topics.items()} == {
        topic.name: topic.settings | replica_settings(3) for topic in topic_map(application, prefix)
    }
    assert {(spec["partitions"], spec["replicas"]) for spec in topics.values()} == {(64, 3)}
    for role in ROLES:
        acls = found["KafkaUser", f"shop-{role}"]["spec"]["authorization"]["acls"]
        given = {
            Right(operation, acl["resource"]["type"], acl["resource"]["name"])
            for acl in acls
            for operation in acl["operations"]
        }
        assert given == set(rights_of(role, application, prefix))
        assert {acl["resource"]["patternType"] for acl in acls} == {"literal"}


def pods(found):
    """Specs of the pods that a variant starts."""
    return [
        each["spec"]["template"]["spec"] for (kind, _), each in found.items() if kind in {"StatefulSet", "Deployment"}
    ]


def test_every_pod_is_harmless_and_probed(variant):
    """Not root, nothing to write to, no rights in Kubernetes for workers, probes, a limit of memory."""
    assert pods(variant)
    for pod in pods(variant):
        assert pod["securityContext"]["runAsNonRoot"]
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["livenessProbe"]["httpGet"]["path"] == "/live"
        assert container["readinessProbe"]["httpGet"]["path"] == "/ready"
        assert container["resources"]["limits"]["memory"] == container["resources"]["requests"]["memory"]
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        claimed = {"data"} if pod.get("automountServiceAccountToken") is False else set()
        assert mounted == {volume["name"] for volume in pod["volumes"]} | claimed


def test_settings_are_ones_that_a_worker_takes(variant, monkeypatch):
    """Each name is a setting, and all of them together are content, files apart; secrets come as files of a Secret."""
    plain = variant["ConfigMap", "shop-settings"]["data"]
    for pod in pods(variant):
        given = plain | {each["name"]: each["value"] for each in pod["containers"][0]["env"]}
        names = {name.removeprefix("JOURNEYS_").lower() for name in given}
        assert names <= Settings.model_fields.keys()
        secret = {volume["name"] for volume in pod["volumes"] if "secret" in volume}
        for name, value in given.items():
            if name.endswith("_FILE"):
                assert value.split("/")[1:2] == ["secrets"]
                assert value.split("/")[2] in secret
        with monkeypatch.context() as environment:
            for name, value in given.items():
                environment.setenv(name, value)
            settings = Settings(_env_file=None)
            assert settings.bootstrap_servers == SERVERS["kafka"]["bootstrapServers"]


def test_no_value_of_a_secret_is_in_the_chart(everything):
    """Secrets are referred to; the chart makes none."""
    assert not [kind for kind, _ in everything if kind == "Secret"]


def test_slots_are_stable_and_memory_fits(everything):
    """A disk and a name for each worker; the worker stops taking input at four fifths of its memory."""
    spec = everything["StatefulSet", "shop-worker"]["spec"]
    assert spec["volumeClaimTemplates"][0]["metadata"]["name"] == "data"
    assert spec["serviceName"] == "shop-worker"
    assert ("Service", "shop-worker") in everything
    environment = {each["name"]: each["value"] for each in spec["template"]["spec"]["containers"][0]["env"]}
    assert environment["JOURNEYS_STORE"] == "rocksdb://"
    assert int(environment["JOURNEYS_MEMORY_LIMIT_MIB"]) == 4096 * 4 // 5
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] > 10
    assert everything["PodDisruptionBudget", "shop-worker"]["spec"]["maxUnavailable"] == 1


def test_keda_makes_at_least_one_worker_and_no_more_than_partitions(tmp_path):
    """By the lag of the workers' group; the number of replicas is then KEDA's alone."""
    values = {**SERVERS, "partitions": 8, "autoscaling": {"enabled": True, "minReplicas": 1, "maxReplicas": 100}}
    found = resources(values, tmp_path)
    scaled = found["ScaledObject", "shop-worker"]["spec"]
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (1, 8)
    (trigger,) = scaled["triggers"]
    settings = Settings(_env_file=None)
    assert (trigger["metadata"]["consumerGroup"], trigger["metadata"]["topic"]) == (
        settings.group,
        settings.topics[0].name,
    )
    assert "replicas" not in found["StatefulSet", "shop-worker"]["spec"]


def test_rules_dashboard_and_connector_are_those_of_deploy(everything):
    """Word for word."""
    rules = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())
    assert everything["PrometheusRule", "shop"]["spec"] == rules
    dashboard = json.loads(everything["ConfigMap", "shop-dashboard"]["data"]["journeys.json"])
    assert dashboard == json.loads((ROOT / "deploy/grafana/journeys.json").read_text())
    connector = yaml.safe_load((ROOT / "deploy/connect/kafka-connector.yaml").read_text())
    assert everything["KafkaConnector", "journeys-bigquery"] == connector
