"""The files of a Redis-protocol server: what was deleted stands in them until they are written anew.

The rule: it is asked for, waited for, and said whether it was done; a server that does not let us is not an error.
"""

import time
from typing import Any

from redis.exceptions import RedisError, ResponseError

from tilefold.stores.online_link import OnlineLink
from tilefold.stores.round_trips import packed

WAIT_S = 60.0
_POLL_S = 0.05


def rewrite_files(link: OnlineLink, wait_s: float = WAIT_S) -> bool:
    """Let a server write its append-only file anew; whether its files hold nothing any more that was deleted before.

    False where it keeps snapshots, or nothing at all, instead of that file, where it may not be asked (a managed server), or
    where it takes longer.
    """
    deadline_s = time.monotonic() + wait_s
    facts = _settled(link, deadline_s)  # a rewrite that began before the deletion does not count
    if facts is None or not facts["aof_enabled"]:
        return False
    try:
        link.trips.one(packed(b"BGREWRITEAOF"))
    except ResponseError:  # not allowed, or not known
        return False
    except RedisError as error:
        raise link.faults.translated(error) from error
    told = _settled(link, deadline_s)
    return told is not None and told["aof_rewrites"] > facts["aof_rewrites"] and told["aof_last_bgrewrite_status"] == "ok"


def _settled(link: OnlineLink, deadline_s: float) -> dict[str, Any] | None:
    """What a server says of its files once it writes none anew; None where that takes too long."""
    while time.monotonic() <= deadline_s:
        facts = link.facts("persistence")
        if not facts.get("aof_rewrite_in_progress") and not facts.get("aof_rewrite_scheduled"):
            return facts
        time.sleep(_POLL_S)
    return None
