"""The endpoints of the server, in one list.

The rule: a new endpoint is a row here; nothing else has to know of it.
"""

from collections.abc import Sequence

from tilefold.server.docs import docs, openapi
from tilefold.server.endpoints import Endpoint
from tilefold.server.explain import explain_html, explain_json, refused_page
from tilefold.server.get_features import get_features, get_features_batch, service_metadata
from tilefold.server.health import healthz, readyz
from tilefold.server.ingest import ingest, refused
from tilefold.server.metrics import Metrics
from tilefold.server.observing import exposing

INGEST_BYTES_MAX = 16 << 20


def endpoints(metrics: Metrics | None = None) -> Sequence[Endpoint]:
    """All of them.

    Parameters
    ----------
    metrics
        What `/metrics` shows; None: such as nobody counts.
    """
    shown = Metrics([]) if metrics is None else metrics
    return [
        Endpoint("/api/v1/feature-service/get-features", ("POST",), "read", get_features),
        Endpoint("/api/v1/feature-service/get-features-batch", ("POST",), "read", get_features_batch),
        Endpoint("/api/v1/feature-service/metadata", ("POST",), "read", service_metadata),
        Endpoint("/ingest", ("POST",), "ingest", ingest, INGEST_BYTES_MAX, refused),
        Endpoint("/explain", ("GET",), "read", explain_html, refused=refused_page, page=True),
        Endpoint("/explain.json", ("GET",), "read", explain_json, page=True),
        Endpoint("/docs", ("GET",), "read", docs, refused=refused_page, page=True),
        Endpoint("/openapi.json", ("GET",), "read", openapi, page=True),
        Endpoint("/metrics", ("GET",), "read", exposing(shown)),
        Endpoint("/healthz", ("GET",), None, healthz),
        Endpoint("/readyz", ("GET",), None, readyz),
    ]
