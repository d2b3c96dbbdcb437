"""Opens a Redis-protocol store by its URL, and refuses one that would lose or alter features.

The rule: whatever evicts keys is refused at the door, since an evicted entity reads as one that never had an event.
"""

import re

from redis import Redis

from tilefold.errors import InputError, StorePolicyError, complaint
from tilefold.stores.online_link import OnlineLink
from tilefold.stores.round_trips import retry
from tilefold.stores.store_errors import ONLINE, Faults, Role

_TIMEOUT_S = 5.0
_LOWEST_VERSION = (7, 0)


def client_of(url: str, role: Role = ONLINE) -> Redis:
    """A client that has not connected yet: binary replies, timeouts, a few tries.

    RESP2, since it is all that is needed and every server and proxy speaks it without a word before.
    """
    try:
        return Redis.from_url(
            url,
            protocol=2,
            decode_responses=False,
            socket_timeout=_TIMEOUT_S,
            socket_connect_timeout=_TIMEOUT_S,
            retry=retry(),
        )
    except (ValueError, TypeError, LookupError):
        # Neither the URL nor the client's message is shown: either may hold the password.
        rule = "it must be redis://, rediss:// (TLS) or unix://, with special characters of a password as %XX"
        raise InputError(complaint(role.url, rule, "another text", "Write it as redis://user:password@host:6379/0.")) from None


def check(link: OnlineLink) -> None:
    """Raise `StorePolicyError` unless the server is a single Redis or Valkey, new enough, that never evicts.

    Read from INFO and not from CONFIG, which managed services forbid.
    """
    link.command(b"PING")
    facts = link.facts("server", "memory", "cluster")
    faults = link.faults
    _check_version(str(facts["redis_version"]), faults)
    if facts.get("cluster_enabled"):
        mend = "Name a server that is no cluster: a view's mark and its keys must be on one."
        faults.fail(StorePolicyError, "it must be a single primary", "cluster_enabled:1", mend)
    policy = facts.get("maxmemory_policy")
    if policy != "noeviction":
        mend = "Set it to noeviction in its configuration: eviction turns features into zeros."
        faults.fail(StorePolicyError, "its maxmemory-policy must be noeviction", policy, mend)


def _check_version(version: str, faults: Faults) -> None:
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if numbers < _LOWEST_VERSION:
        faults.fail(StorePolicyError, "it must be Redis 7.0 or newer, or Valkey", version, "Upgrade it, or name another store.")
