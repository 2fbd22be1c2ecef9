"""docs/security.md and docs/settings.md say what the code does: rights, commands, settings."""

import re
import shlex
from pathlib import Path

from journeys.agents.kafka.rights import ROLES, Right, acl_command, creation_rights, rights_of
from journeys.agents.settings.settings import Settings

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "security.md").read_text()
SERVERS = "kafka:9093"


def rights_in_table() -> set[tuple[str, Right]]:
    """Rights of all roles, as the table has them."""
    rows = re.findall(r"^\| (\w+) \| (\w+) \| (topic|group) \| (.*) \|$", PAGE, re.MULTILINE)
    return {
        (role, Right(operation, resource, name))
        for role, operation, resource, names in rows
        for name in re.findall(r"`([^`]+)`", names)
    }


def rights_in_commands(block: str) -> set[tuple[str, Right]]:
    """Rights that the commands of a block give, by user."""
    found = set()
    for command in block.strip().splitlines():
        program, *words = shlex.split(command)
        assert program == "kafka-acls.sh"
        assert words[:5] == ["--bootstrap-server", SERVERS, "--add", "--allow-principal", words[4]]
        assert words[5] == "--operation"
        places = list(zip(words[7::2], words[8::2], strict=True))
        assert places, command
        user = words[4].removeprefix("User:")
        found |= {(user, Right(words[6], option.removeprefix("--"), name)) for option, name in places}
    return found


def test_the_table_of_rights_is_that_of_the_code():
    """The tests of the authorizer give exactly those of the code; nobody must be told others."""
    assert rights_in_table() == {(role, right) for role in ROLES for right in rights_of(role, "journeys")}


def test_the_commands_give_exactly_the_rights_of_the_table():
    """Each role's user gets its rights by the first block, a worker that creates topics the rest by the second."""
    all_roles, creation = re.findall(r"^```sh acls\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert rights_in_commands(all_roles) == rights_in_table()
    assert rights_in_commands(creation) == {("worker", right) for right in creation_rights("journeys")}


def test_a_command_gives_the_right_that_is_missing():
    """What an error says can be pasted."""
    right = Right("Write", "topic", "journey-events")
    assert rights_in_commands(acl_command([right], "User:ann", SERVERS)) == {("ann", right)}


def test_every_setting_is_documented():
    """By its environment variable, in the table of docs/settings.md."""
    documented = set(re.findall(r"`(JOURNEYS_\w+)`", (DOCS / "settings.md").read_text()))
    assert documented >= {f"JOURNEYS_{name.upper()}" for name in Settings.model_fields}
