"""The users of the tests: one for each role, and for each right of a role one who lacks just that."""

from __future__ import annotations

from journeys.agents.kafka.rights import ROLES, Right, Role, creation_rights, rights_of

APPLICATION = "journeys"


def without(role: Role, right: Right) -> str:
    """Name of the user who has every right of a role but one."""
    return f"{role}-without-{rights_of(role, APPLICATION).index(right)}"


ROLE_RIGHTS = {role: rights_of(role, APPLICATION) for role in ROLES}
GRANTS: list[tuple[str, Right]] = [(role, right) for role, rights in ROLE_RIGHTS.items() for right in rights]
GRANTS += [
    (without(role, lacking), right)
    for role, rights in ROLE_RIGHTS.items()
    if role != "setup"  # it has more rights than all others, each for one topic
    for lacking in rights
    for right in rights
    if right != lacking
]
# A worker that may create topics; one of another application, whose changelog is not there yet.
GRANTS += [("creator", right) for right in (*rights_of("worker", "shop"), *creation_rights("shop"))]
GRANTS += [("no-creator", right) for right in rights_of("worker", "shop")]
# Its rights are taken away while it works.
GRANTS += [("dismissed", right) for right in ROLE_RIGHTS["worker"]]
USERS = ("nobody", *dict.fromkeys(user for user, _ in GRANTS))
