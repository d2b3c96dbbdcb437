"""What a caller may do.

The rule: a key has one role, and `admin` may do what any other may.
"""

from enum import StrEnum

from tilefold.errors import InputError, complaint


class Role(StrEnum):
    """A role of an API key."""

    READ = "read"
    INGEST = "ingest"
    ADMIN = "admin"

    @property
    def grants(self) -> frozenset["Role"]:
        """What the role lets its owner do."""
        return frozenset(Role) if self is Role.ADMIN else frozenset({self})


NOBODY: frozenset[Role] = frozenset()
EVERYBODY: frozenset[Role] = frozenset(Role)


def role_of(name: str, thing: str) -> Role:
    """The role of that name; raises InputError, which says of what thing it was."""
    try:
        return Role(name)
    except ValueError as error:
        roles = ", ".join(Role)
        raise InputError(complaint(thing, "its role must be one that there is", name, f"Use one of: {roles}.")) from error
