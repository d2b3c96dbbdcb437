"""The feature server against Feast's own, on the same machine: as many features of the same entities, from a Redis store.

python -m benchmarks.serve_feast [--rounds 5] [--seconds 4]

By hand: Feast is installed into an environment of its own, beside a throw-away feature repository. Both servers answer for 1
entity with 20 features over 8 connections with one worker. Feast only looks values up that were computed before: what it reads
are the values that ours folds. Both keep them in the same Redis-protocol server.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from benchmarks.serve import KEYS, READ, VIEW, asked_of_one, compare, fill, free_port, started
from benchmarks.turns import machine
from tilefold import Workspace

FEAST = "feast[redis]==0.67.0"
REPOSITORY = """
from datetime import timedelta
from feast import Entity, FeatureService, FeatureView, Field, FileSource
from feast.types import Float64, Int64, String
from feast.value_type import ValueType

user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING)
source = FileSource(path="{path}", timestamp_field="event_timestamp")
merged = FeatureView(
    name="merged", entities=[user], ttl=timedelta(days=3650), source=source, online=True,
    schema=[Field(name="user_id", dtype=String), {fields}],
)
service = FeatureService(name="service", features=[merged])
"""
SETTINGS = """
project: benchmark
registry: {folder}/registry.db
provider: local
online_store:
  type: redis
  connection_string: "{store}"
offline_store:
  type: file
entity_key_serialization_version: 3
"""


def installed(folder: Path) -> Path:
    """Feast in an environment of its own; the folder of its commands."""
    uv = Path(".uv/bin/uv").absolute()
    subprocess.run([uv, "venv", "--python", sys.executable, folder / "feast"], check=True)
    install = [uv, "pip", "install", "--python", folder / "feast/bin/python", FEAST]
    subprocess.run(install, check=True, cwd=folder)  # elsewhere, where this project's own pins do not count
    return folder / "feast/bin"


def repository(folder: Path, ws: Workspace) -> None:
    """A feature repository that holds the values that ours serves now."""
    rows = []
    for user in range(KEYS):
        keys = {"user_id": f"u{user}"}
        values = ws.get_features("merged", keys).values
        named = {name.partition(".")[2]: value for name, value in values.items()}
        rows.append(keys | named | {"event_timestamp": datetime.now(UTC)})
    frame = pl.DataFrame(rows)
    frame.write_parquet(folder / "values.parquet")
    kinds = {name: "Int64" if dtype.is_integer() else "Float64" for name, dtype in frame.schema.items()}
    names = [name for name in kinds if name not in {"user_id", "event_timestamp"}]
    fields = ", ".join(f'Field(name="{name}", dtype={kinds[name]})' for name in names)
    (folder / "definitions.py").write_text(REPOSITORY.format(path=folder / "values.parquet", fields=fields))
    told = ws.online_client().connection_pool.connection_kwargs
    store = f"{told['host']}:{told['port']}" + (f",password={told['password']}" if told.get("password") else "")
    (folder / "feature_store.yaml").write_text(SETTINGS.format(folder=folder, store=store))


def materialized(commands: Path, folder: Path) -> None:
    """Feast's online store holds the values."""
    env = {**os.environ, "FEAST_USAGE": "False"}
    for words in (["apply"], ["materialize-incremental", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")]):
        subprocess.run([commands / "feast", "-c", folder, *words], check=True, env=env)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    asked = parser.parse_args()
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        commands = installed(root)
        fill(str(root / "data"))
        ws = stack.enter_context(Workspace(root / "data", [VIEW]))
        folder = root / "repository"
        folder.mkdir()
        repository(folder, ws)
        materialized(commands, folder)
        ours, theirs = root / "ours.json", root / "feast.json"
        ours.write_text(json.dumps([asked_of_one(user) for user in range(KEYS)]))
        bodies = [{"feature_service": "service", "entities": {"user_id": [f"u{user}"]}} for user in range(KEYS)]
        theirs.write_text(json.dumps([json.dumps(body) for body in bodies]))
        port, feast_port = free_port(), free_port()
        env = {"TILEFOLD_ROOT": str(root / "data"), "TILEFOLD_DEFINITIONS": "benchmarks.serve"}
        stack.enter_context(started([sys.executable, "-m", "tilefold", "serve", "--port", str(port)], port, env))
        command = [str(commands / "feast"), "-c", str(folder), "serve", "--host", "127.0.0.1", "--port", str(feast_port)]
        stack.enter_context(started([*command, "--workers", "1", "--no-access-log", "--max-requests", "1000000"], feast_port))
        urls = f"http://127.0.0.1:{port}{READ}", f"http://127.0.0.1:{feast_port}/get-online-features"
        print(machine())
        compare("1 entity, 20 features, against Feast", *urls, ours, asked.rounds, asked.seconds, ">= 3", yard_bodies=theirs)


if __name__ == "__main__":
    main()
