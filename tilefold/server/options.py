"""How a server is set up."""

from dataclasses import dataclass

from tilefold.errors import InputError, complaint

REQUESTS_MAX = 1024
CACHE_ROWS_MAX = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """What one may choose beside the address.

    Attributes
    ----------
    tls_cert, tls_key
        Files with a certificate (and what signs it) and its key, in PEM; both or none.
    requests_max
        How many requests one process works on at a time; more are refused with status 429.
    cache_ttl_s
        How long a row may be answered from the read cache, by requests that ask for it; 0: there is no cache.
    cache_rows_max
        How many rows of one view the cache of a process holds.
    shutdown_s
        How long requests in flight may take to end when the server is stopped.
    """

    tls_cert: str | None = None
    tls_key: str | None = None
    requests_max: int = REQUESTS_MAX
    cache_ttl_s: float = 0.0
    cache_rows_max: int = CACHE_ROWS_MAX
    shutdown_s: int = 30

    def __post_init__(self) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            mend = "Give both files, or none."
            given = self.tls_cert or self.tls_key
            raise InputError(complaint("the server", "TLS needs a certificate and its key", given, mend))
        if self.requests_max < 1:
            raise InputError(complaint("the server", "requests_max must be at least 1", self.requests_max, "Give more."))
        if self.cache_ttl_s < 0:
            raise InputError(complaint("the server", "cache_ttl_s must not be negative", self.cache_ttl_s, "Give 0 for none."))

    @property
    def scheme(self) -> str:
        """`https` or `http`."""
        return "https" if self.tls_cert else "http"
