"""Where a workspace lives: its root folder or bucket, its catalog, its online store.

The rule: a root is bound to one online store per workspace name when it is first opened (see `binding`). The first opener of a
root owns the embedded servers; later ones attach to them.
"""

from collections.abc import Mapping
from pathlib import Path

from tilefold.errors import FileError, InputError, complaint
from tilefold.serving.binding import EMBEDDED, Binding
from tilefold.serving.stream_home import StreamHome
from tilefold.stores.catalog import Catalog
from tilefold.stores.embedded import EmbeddedServer, open_embedded
from tilefold.stores.online_connect import client_of
from tilefold.stores.online_store import OnlineStore

__all__ = ["DEFAULT_NAME", "EMBEDDED", "Home", "bind_online", "bind_stream"]

DEFAULT_NAME = "tilefold"


class Home:
    """A root with its catalog, its open online store, and its stream logs, which are opened when they are used."""

    def __init__(
        self, root: str, online: str | None, name: str | None, storage_options: Mapping[str, str], stream: str | None = None
    ) -> None:
        if online:
            client_of(online).close()  # a mistyped URL is told as such, before it is compared
        self.root = _checked_root(root, online)
        self.name = name or DEFAULT_NAME
        self.storage_options = dict(storage_options)
        self.catalog = Catalog(f"{self.root}/catalog", self.storage_options)
        binding = Binding(self.catalog, self.root, self.name, "online")
        binding.check(online)
        self._server: EmbeddedServer | None = None if online else open_embedded(Path(self.root))
        try:
            self.online = OnlineStore.connect(online or self._embedded_url(), self.name)
            binding.bind(online)  # once the store has answered: a mistyped URL binds nothing
        except BaseException:
            self._stop_server()
            raise
        streams = Binding(self.catalog, self.root, self.name, "stream")
        self.streams = StreamHome(streams, stream, online or self._embedded_url())

    @property
    def url(self) -> str:
        """The online store's URL; it may hold a password."""
        return self._embedded_url()

    @property
    def owns_server(self) -> bool:
        """Whether closing this stops the embedded server."""
        return self._server is not None and self._server.owned

    def close(self) -> None:
        """Close the connections; the owner of the embedded servers returns after they have exited."""
        self.streams.close()
        self.online.close()
        self._stop_server()

    def _embedded_url(self) -> str:
        assert self._server is not None, "only an embedded server's address is kept"
        return self._server.url

    def _stop_server(self) -> None:
        if self._server is not None:
            self._server.close()


def bind_online(root: str, online: str | None, name: str | None, storage_options: Mapping[str, str] | None = None) -> str:
    """Bind a root to another online store; the next materialization writes it in full. Returns what it was bound to."""
    return _binding(root, name, storage_options, "online").rebind(online)


def bind_stream(root: str, stream: str | None, name: str | None, storage_options: Mapping[str, str] | None = None) -> str:
    """Bind a root to another place for its stream logs, which begin anew there. Returns what it was bound to."""
    return _binding(root, name, storage_options, "stream").rebind(stream)


def _binding(root: str, name: str | None, storage_options: Mapping[str, str] | None, kind: str) -> Binding:
    catalog = Catalog(f"{root}/catalog", dict(storage_options or {}))
    return Binding(catalog, root, name or DEFAULT_NAME, kind)


def _checked_root(root: str, online: str | None) -> str:
    if not root:
        raise InputError(complaint("workspace", "its root must have a name", root, 'Name a folder; "." is the one you are in.'))
    if "://" in root:
        if not online:
            mend = 'Give online="redis://host:6379/0": an embedded server needs a folder of its own.'
            raise InputError(complaint("workspace", "a root on an object store needs an online URL", root, mend))
        return root.rstrip("/")
    path = Path(root).absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".writable"
        probe.touch()
        probe.unlink(missing_ok=True)  # another opener has the same probe
    except OSError as error:
        mend = f"Choose another folder, or make it writable: {error.strerror}."
        raise FileError(complaint("workspace", "its root must be a folder that can be written", str(path), mend)) from error
    return str(path)
