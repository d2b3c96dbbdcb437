"""The endpoints of the server, in one list.

The rule: a new endpoint is a row here; nothing else has to know of it.
"""

from collections.abc import Sequence

from tilefold.server.endpoints import Endpoint
from tilefold.server.get_features import get_features, get_features_batch, service_metadata
from tilefold.server.health import healthz, readyz
from tilefold.server.ingest import ingest, refused

INGEST_BYTES_MAX = 16 << 20


def endpoints() -> Sequence[Endpoint]:
    """All of them."""
    return [
        Endpoint("/api/v1/feature-service/get-features", ("POST",), "read", get_features),
        Endpoint("/api/v1/feature-service/get-features-batch", ("POST",), "read", get_features_batch),
        Endpoint("/api/v1/feature-service/metadata", ("POST",), "read", service_metadata),
        Endpoint("/ingest", ("POST",), "ingest", ingest, INGEST_BYTES_MAX, refused),
        Endpoint("/healthz", ("GET",), None, healthz),
        Endpoint("/readyz", ("GET",), None, readyz),
    ]
