"""`journeys policy`: the constants of the rule, shown, checked and put in force."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from journeys.agents.settings.operation_error import OperationError
from journeys.analytics.shares import HORIZON_DAYS
from journeys.cli.options import Application, HorizonDays, Json, Quiet, Servers, settings_of
from journeys.cli.output import print_json, print_line, print_lines, print_note

if TYPE_CHECKING:
    from journeys.agents.settings.settings import Settings
    from journeys.streams.rule.policy import Policy

File = Annotated[Path, typer.Argument(metavar="FILE", help="The policy (TOML); what it leaves out is as by default.")]


class PolicyVersionTakenError(OperationError):
    """The log knows the version with another content."""


def show(
    default: Annotated[bool, typer.Option("--default", help="Show the default policy; needs no broker.")] = False,
    bootstrap_servers: Servers = None,
    application_id: Application = None,
    as_json: Json = False,
) -> None:
    """Print the policy in force as TOML, for each partition that has another one than those before it.

    That is the policy of the last flush: an open episode keeps the one under which it began.
    """
    from journeys.cli.views.policy_text import policy_toml
    from journeys.streams.rule.policy import DEFAULT_POLICY

    if default:
        if as_json:
            print_json({"policies": [_json(DEFAULT_POLICY, None)]})
        else:
            print_lines(policy_toml(DEFAULT_POLICY))
        return
    from journeys.agents.inspect.policies_in_force import policies_in_force
    from journeys.cli.operation import run_operation

    settings = settings_of(bootstrap_servers=bootstrap_servers, application_id=application_id)
    numbers: dict[str, list[int]] = {}
    policies: dict[str, Policy] = {}
    for partition in run_operation(policies_in_force(settings)):
        numbers.setdefault(partition.policy.version, []).append(partition.number)
        policies[partition.policy.version] = partition.policy
    if as_json:
        print_json({"policies": [_json(policy, numbers[version]) for version, policy in policies.items()]})
        return
    for version, policy in policies.items():
        print_line(f"# in force in partitions {', '.join(map(str, numbers[version]))}")
        print_lines(policy_toml(policy))
        print_line()


def _json(policy: Policy, partitions: list[int] | None) -> dict[str, Any]:
    """A policy with the partitions that it is in force in, in the JSON form that the log holds."""
    return {"version": policy.version, "partitions": partitions, "policy": json.loads(policy.to_json())}


def check(file: File, *, horizon_days: HorizonDays = HORIZON_DAYS, as_json: Json = False) -> None:
    """Check a policy file and print how it differs from the default policy.

    Names deadline rules that decide nothing, and a cleanup that is shorter than the horizon. Exits with 2 where the
    file is not valid, and names the key and the value.
    """
    from journeys.agents.settings.policy_file import load_policy
    from journeys.cli.screen import Screen, new_table
    from journeys.cli.views.policy_text import cleanup_before_horizon, policy_differences
    from journeys.streams.rule.policy import DEFAULT_POLICY
    from journeys.streams.rule.rule_coverage import idle_rules

    policy = load_policy(file)
    idle = idle_rules(policy.deadlines)
    differences = policy_differences(DEFAULT_POLICY, policy)
    early = cleanup_before_horizon(policy, horizon_days)
    if as_json:
        document = [{"key": key, "default": default, "value": value} for key, default, value in differences]
        rules = [{"rule": rule.name, "duration": rule.duration, "behind": rule.behind} for rule in idle]
        print_json(
            {
                "version": policy.version,
                "differences": document,
                "idle_rules": rules,
                "cleanup_shorter_than_horizon": early is not None,
            }
        )
        return
    if differences:
        table = new_table("key", "default", policy.version)
        for difference in differences:
            table.add_row(*difference)
        Screen().print(table)
    else:
        print_line(f"policy {policy.version}: the same constants as the default")
    if early is not None:
        print_line(early)
    for rule in idle:
        why = (
            f"wherever it holds, so does one before it ({', '.join(rule.behind)})"
            if rule.behind
            else "it can hold for no journey"
        )
        print_line(f"rule {rule.name} never decides {rule.duration}: {why}")


def put(
    file: File,
    bootstrap_servers: Servers = None,
    application_id: Application = None,
    requested_by: Annotated[str | None, typer.Option(metavar="NAME", help="Who asks; without it, you.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Put a policy in force by appending it to every partition of the input topic.

    Episodes that begin after it are under it; open ones keep theirs. A version names one content
    and keeps it: a changed policy needs a new version.
    """
    from journeys.agents.settings.policy_file import load_policy
    from journeys.cli.operation import run_operation

    policy = load_policy(file)
    settings = settings_of(bootstrap_servers=bootstrap_servers, application_id=application_id)
    count = run_operation(_put(settings, policy, requested_by))
    if as_json:
        print_json({"version": policy.version, "partitions": count})
    print_note(f"policy {policy.version} appended to {count} partitions", quiet=quiet or as_json)


async def _put(settings: Settings, policy: Policy, requested_by: str | None) -> int:
    import getpass

    from journeys.agents.inspect.policies_in_force import policies_in_force
    from journeys.agents.kafka.record_producer import RecordProducer
    from journeys.agents.kafka.topic_setup import UnknownTopicError
    from journeys.clock import now_ms
    from journeys.schemas.records import PolicyChanged

    try:
        partitions = await policies_in_force(settings)
    except UnknownTopicError:
        partitions = []  # no changelog yet: no policy is known
    for partition in partitions:
        if partition.policies.get(policy.version, policy) != policy:
            raise PolicyVersionTakenError(
                f"version {policy.version!r} is in the log with another content: give this policy a new version"
            )
    changed = PolicyChanged(policy.version, policy.to_json(), now_ms(), requested_by or getpass.getuser())
    async with RecordProducer(settings) as producer:
        await producer.send_to_all(changed)
        await producer.flush()
        return producer.partition_count
