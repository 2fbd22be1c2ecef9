"""`journeys policy`: the constants that decide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from journeys.agents.settings.operation_error import OperationError
from journeys.cli.command_line import complain
from journeys.cli.options import Application, Servers, settings_of

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
) -> None:
    """Print the policy in force as TOML, for each partition that has another one than those before it.

    That is the policy of the last flush: an open episode keeps the one under which it began.
    """
    from journeys.cli.policy_text import policy_toml
    from journeys.streams.rule.policy import DEFAULT_POLICY

    if default:
        typer.echo(policy_toml(DEFAULT_POLICY), nl=False)
        return
    from journeys.agents.inspect.policies_in_force import policies_in_force
    from journeys.cli.operation import run_operation

    settings = settings_of(bootstrap_servers=bootstrap_servers, application_id=application_id)
    numbers: dict[str, list[int]] = {}
    policies: dict[str, Policy] = {}
    for partition in run_operation(policies_in_force(settings)):
        numbers.setdefault(partition.policy.version, []).append(partition.number)
        policies[partition.policy.version] = partition.policy
    for version, policy in policies.items():
        typer.echo(f"# in force in partitions {', '.join(map(str, numbers[version]))}")
        typer.echo(policy_toml(policy))


def check(file: File) -> None:
    """Check a policy file and print what it has otherwise than the default policy.

    Exits with 2 where it can't be taken, and names the key and the value.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from journeys.agents.settings.policy_file import load_policy
    from journeys.cli.policy_text import policy_differences
    from journeys.streams.rule.policy import DEFAULT_POLICY

    policy = load_policy(file)
    differences = policy_differences(DEFAULT_POLICY, policy)
    if not differences:
        typer.echo(f"policy {policy.version}: the same constants as the default")
        return
    table = Table("key", "default", policy.version, title_justify="left", show_edge=False)
    for difference in differences:
        table.add_row(*map(escape, difference))
    Console().print(table)


def put(
    file: File,
    bootstrap_servers: Servers = None,
    application_id: Application = None,
    requested_by: Annotated[str | None, typer.Option(metavar="NAME", help="Who asks; without it, you.")] = None,
) -> None:
    """Put a policy in force by appending it to every partition of the input topic.

    Episodes that begin behind it are under it; those that are open keep theirs. A version names one content
    for ever: a changed policy needs a new version.
    """
    from journeys.agents.settings.policy_file import load_policy
    from journeys.cli.operation import run_operation

    policy = load_policy(file)
    settings = settings_of(bootstrap_servers=bootstrap_servers, application_id=application_id)
    count = run_operation(_put(settings, policy, requested_by))
    complain(f"policy {policy.version} appended to {count} partitions")


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
