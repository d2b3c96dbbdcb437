"""The facade: everything without Dagster, in one object.

The rule: it puts the parts together and holds no logic of its own. Assets, the command line, tests and notebooks all go
through it. Everything that needs *now* asks its clock. Its methods stand by topic, each class in the file of its name:

    Opened      what it is made of: root, clock, stores, tables, streams
    Events      append, import_days, ingest, drain, dead_letters
    Building    build_tiles, compact, sync, materialize, plan, switch
    Removing    prune, remove_old_versions, forget
    Reads       get_features, get_features_batch, explain
    Offline     get_features_for_events, write_training_set, parity
    Workspace   opening it all, and serve
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tilefold.server.options import ServerOptions
from tilefold.server.running import Running, serve
from tilefold.server.served import Served
from tilefold.serving.definitions import Given, load_definitions
from tilefold.serving.home import Home
from tilefold.serving.sampling import Sampling
from tilefold.workspace.building import Building
from tilefold.workspace.offline import Offline
from tilefold.workspace.reads import Reads
from tilefold.workspace.removing import Removing


def _system_clock() -> datetime:
    return datetime.now(UTC)


class Workspace(Building, Reads, Offline, Removing):
    """Event logs, tiles, compactions and the online store of some definitions.

    Parameters
    ----------
    root
        A folder, or a place on an object store, that holds the Delta tables.
    definitions
        Declared objects, the name of a module, or a folder of Python files.
    online
        A Redis URL; None for an embedded server with its data under `root`, which the first opener owns.
    clock
        Says what time it is, as an aware UTC datetime; None is the system's.
    name
        The prefix of the workspace's keys, so that several may share a server.
    storage_options
        For object stores: credentials and settings, as Delta Lake takes them.
    stream
        Where pushed events are kept until they are drained: a server of the Redis protocol that syncs each write, or
        `kafka://host:port`; None for an embedded one with its data under `root`, started when a stream is first used.
    sampling
        How much of what is read is sampled, to be recomputed by `parity`; None for nothing.

    Raises
    ------
    FileError
        If the root cannot be written.
    StoreMismatchError
        If the root is bound to another online store.
    StoreUnavailableError, StorePolicyError
        If the online store does not answer or is not fit.
    """

    def __init__(
        self,
        root: str | Path = "data",
        definitions: Given = "features",
        online: str | None = None,
        clock: Callable[[], datetime] | None = None,
        name: str | None = None,
        storage_options: Mapping[str, str] | None = None,
        stream: str | None = None,
        sampling: Sampling | None = None,
    ) -> None:
        loaded = load_definitions(definitions, str(root))
        super().__init__(loaded, Home(str(root), online, name, storage_options or {}, stream), clock or _system_clock, sampling)

    def serve(
        self,
        host: str = "127.0.0.1",
        port: int = 8080,
        *,
        options: ServerOptions | None = None,
        running: Running | None = None,
        reopen: Callable[[], "Workspace"] | None = None,
    ) -> None:
        """Answer over HTTP until stopped: by Ctrl-C or SIGTERM in the main thread, in any other by `Running(stop=...)`.

        Parameters
        ----------
        port
            0 for any that is free.
        options
            TLS, limits and the read cache; `tilefold.server.options` has the defaults.
        running
            What stops it, and who is told its address once it listens; see `tilefold.server.running`.
        reopen
            Opens this workspace once more: at SIGHUP, which then brings new definitions without dropping a request.

        Raises
        ------
        InputError
            If the address cannot be used, or others can reach it and there are no API keys.
        FileError
            If the TLS certificate cannot be used.
        """
        chosen, how = options or ServerOptions(), running or Running()

        def opened() -> Served:
            assert reopen is not None, "only then it is called"
            again = reopen()
            return Served(again, again._parts, chosen, again.close)  # noqa: SLF001 - of our own class

        how = replace(how, reopen=None if reopen is None else opened)
        serve(Served(self, self._parts, chosen), chosen, host, port, how)
