"""The roles of API keys.

The rule: a key has one role; `admin` may do what any other may (`access` compares).
"""

from typing import Final, Literal, TypeAlias

from tilefold.errors import InputError, complaint

Role: TypeAlias = Literal["read", "ingest", "admin"]
ROLES: Final[dict[str, Role]] = {"read": "read", "ingest": "ingest", "admin": "admin"}


def role_of(name: str, thing: str) -> Role:
    """The role of that name; raises InputError, which says of what thing it was."""
    if name not in ROLES:
        raise InputError(complaint(thing, "its role must be one that there is", name, f"Use one of: {', '.join(ROLES)}."))
    return ROLES[name]
