"""`WorkspaceResource`: where the Delta tables and the online store are, as Dagster configuration.

The rule: a run opens the workspace once, when it is first asked for, and closes it at its end. Where nothing is configured
the environment decides, as for the command line (`TILEFOLD_ROOT`, `TILEFOLD_DEFINITIONS`, `TILEFOLD_ONLINE_URL`,
`TILEFOLD_STREAM_URL`, `TILEFOLD_NAME`); variables are named in the configuration, not copied into it, so that no password
shows in the UI.
"""

import os
from typing import Any, Self, TypeAlias

import dagster as dg
from dagster_deltalake.config import AzureConfig, GcsConfig, LocalConfig, S3Config
from pydantic import Field, PrivateAttr

from tilefold.serving.priority import give_way
from tilefold.workspace import Workspace

Storage: TypeAlias = LocalConfig | S3Config | AzureConfig | GcsConfig

ROOT, DEFINITIONS = "TILEFOLD_ROOT", "TILEFOLD_DEFINITIONS"
RUN_NICENESS = "TILEFOLD_RUN_NICENESS"
ONLINE_URL, STREAM_URL, NAME = "TILEFOLD_ONLINE_URL", "TILEFOLD_STREAM_URL", "TILEFOLD_NAME"


def environment() -> tuple[str, str]:
    """Where the environment says that definitions are, and the workspace's root."""
    return os.environ.get(DEFINITIONS) or "features", os.environ.get(ROOT) or "data"


class WorkspaceResource(dg.ConfigurableResource[Workspace]):
    """The workspace that a run works on.

    Attributes
    ----------
    root
        A folder, or a place on an object store, that holds the Delta tables.
    definitions
        A folder of Python files or the name of a module.
    online_url
        A Redis URL; none for the embedded server under `root`.
    stream_url
        A Redis URL or `kafka://host:port` for pushed events; none for a second embedded server under `root`.
    name
        The prefix of the workspace's keys; none for the default.
    storage
        Credentials and settings of an object store, told apart by `provider`: local, s3, azure or gcs.
    """

    root: str = "data"
    definitions: str = "features"
    online_url: str | None = None
    stream_url: str | None = None
    name: str | None = None
    storage: Storage = Field(default_factory=LocalConfig, discriminator="provider")

    _opened: Workspace | None = PrivateAttr(default=None)

    @classmethod
    def from_environment(cls, **given: Any) -> Self:
        """What the environment says, apart from what is given; what neither says is the default."""
        variables = {"root": ROOT, "definitions": DEFINITIONS, "online_url": ONLINE_URL, "stream_url": STREAM_URL, "name": NAME}
        named = {field: dg.EnvVar(variable) for field, variable in variables.items() if os.environ.get(variable)}
        return cls(**{**named, **given})

    @property
    def storage_options(self) -> dict[str, str]:
        """The storage settings as Delta Lake takes them."""
        given = self.storage.model_dump(exclude={"provider"}, exclude_none=True)
        return {name: str(value) for name, value in given.items()}

    @property
    def workspace(self) -> Workspace:
        """The open workspace."""
        if self._opened is None:
            self._opened = self.open()
        return self._opened

    def open(self) -> Workspace:
        """Open the workspace anew; whoever calls this closes it."""
        options = self.storage_options
        return Workspace(
            self.root, self.definitions, self.online_url, name=self.name, storage_options=options, stream=self.stream_url
        )

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Let a run give way to what serves reads, where the environment says how much; sensors do not."""
        niceness = os.environ.get(RUN_NICENESS)
        if context.run is not None and niceness:
            give_way(int(niceness))

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Close what the run opened."""
        del context
        if self._opened is not None:
            self._opened.close()
            self._opened = None
