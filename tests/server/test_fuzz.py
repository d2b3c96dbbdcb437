"""What the document allows, and what it does not, sent by Schemathesis to a real server: no failure of ours, and no hang.

`TILEFOLD_FUZZ_EXAMPLES=1000` looks longer.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.server.explaining import explainable
from tests.server.servers import served

EXAMPLES = int(os.environ.get("TILEFOLD_FUZZ_EXAMPLES", "15"))
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
LIMIT_S = 240.0 + EXAMPLES
HANG_S = "10"
USER = {"user": {"enum": ["a", "b", "", "\u0000", 1, 1.5, True, None, ["a"]]}}
EVENT = {
    "type": "object",
    "properties": {
        "user": USER["user"],
        "at": {"enum": ["2024-01-10T11:00:00Z", "2024-01-10", 0, None, "soon", "9999-12-31T23:59:59Z"]},
        "units": {"type": ["integer", "string", "number", "null"]},
        "amount": {"type": ["integer", "string", "number", "null"]},
    },
}


def told_more(found: dict[str, Any]) -> dict[str, Any]:
    """The document with names that there are and keys that fit, so that most requests get past the first check."""
    schemas = found["components"]["schemas"]
    for params in ("ReadParams", "BatchParams", "MetadataParams"):
        schemas[params]["properties"]["featureServiceName"] = {"enum": ["spend", "spend", "spend", "nothing"]}
        schemas[params]["properties"]["workspaceName"] = {"type": ["string", "null"], "enum": ["prod", None, "", "other"]}
    for keyed in ("ReadParams", "RequestRow"):
        schemas[keyed]["properties"]["joinKeyMap"] = {"type": "object", "properties": USER}
    schemas["IngestRequest"]["properties"]["records"] = {
        "type": "object",
        "properties": {"pushed": {"type": "array", "maxItems": 5, "items": {"$ref": "#/components/schemas/IngestRecord"}}},
    }
    schemas["IngestRequest"]["properties"]["wait_for"] = {"enum": ["visible", None, "ever"]}
    schemas["IngestRecord"]["properties"]["record"] = EVENT
    for path in ("/explain", "/explain.json"):
        by_name = {each["name"]: each for each in found["paths"][path]["get"]["parameters"]}
        by_name["view"]["schema"] = {"enum": ["spend", "nothing"]}
        by_name["keys"]["schema"] = {"type": "object", "properties": {"user": {"type": "string"}}}
        by_name["feature"]["schema"] = {"enum": ["units_sum_30d", "nothing"]}
        by_name["at"]["schema"] = {"enum": ["", "2024-01-10T12:00:00Z", "2020-01-01", "soon", "9999-12-31T23:59:59+00:00"]}
    return found


@pytest.mark.timeout(LIMIT_S + 60)
def test_nothing_that_is_sent_breaks_it(tmp_path: Path, online_url: str, stream_url: str, seed: int) -> None:
    """Many requests, right and wrong: each gets a status and a body that the document names, in time, and none a 5xx."""
    document = tmp_path / "openapi.json"
    with explainable(tmp_path / "root", online_url, stream_url) as ws, served(ws) as client:
        document.write_text(json.dumps(told_more(client.get("/openapi.json").json())))
        command = [
            *(str(Path(sys.executable).with_name("schemathesis")), "run", str(document), "--url", str(client.base_url)),
            *("--max-examples", str(EXAMPLES), "--seed", str(seed), "--checks", CHECKS, "--request-timeout", HANG_S),
            *("--phases", "coverage,fuzzing", "--generation-database", "none", "--no-color", "--warnings", "off"),
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        assert client.get("/healthz").status_code == 200
    assert done.returncode == 0, done.stdout[-8_000:]
    assert " passed" in done.stdout
