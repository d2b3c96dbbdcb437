"""Pages of other sites may not use a server that asks for no key.

The rule: without keys the server listens on loopback alone, where a browser would still carry requests of any page to it. So a
request must be meant for this machine by name (a page's own name may be made to lead here), and come from no other page. With
keys there is no need: a page does not know one.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from tilefold.server.access import is_loopback
from tilefold.server.refusals import Kind, Refusal

_MEND = "Make keys (`tilefold keys create NAME`), or ask from this machine without a browser."


def refuse_foreign_pages(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Raise `Refusal` where a browser sends this for a page that is not ours."""
    found = {name: value.decode("latin-1") for name, value in headers if name in {b"host", b"origin"}}
    host, origin = found.get(b"host"), found.get(b"origin")
    if host is not None and not is_loopback(_name(host)):
        raise Refusal(Kind.FORBIDDEN, f"host: without API keys it must be a name of this machine; got {host[:100]!r}. {_MEND}")
    if origin is not None and origin.partition("://")[2] != host:
        rule = "without API keys pages of other sites may not ask"
        raise Refusal(Kind.FORBIDDEN, f"origin: {rule}; got {origin[:100]!r}. {_MEND}")


def _name(host: str) -> str:
    """A host without its port, and without the brackets of IPv6."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
