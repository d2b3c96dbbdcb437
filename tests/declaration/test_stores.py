from typing import Any

import pytest

from tests.declaration.samples import declare, refusal
from tilefold import DeltaConfig, OfflineStoreConfig, __version__
from tilefold.declaration.stores import WRITABLE_RUNTIMES


@pytest.mark.parametrize("store", [None, DeltaConfig(), OfflineStoreConfig(), OfflineStoreConfig(DeltaConfig())])
def test_delta(store: Any) -> None:
    """Delta is the offline store, however it is written."""
    assert declare(offline_store=store).compaction_enabled


def test_compaction_needs_offline() -> None:
    """Compaction without offline is refused."""
    message = refusal(offline=False)
    assert message == ("view 'spend': compaction needs offline=True; got False. Set offline=True, or compaction_enabled=False.")


@pytest.mark.parametrize("store", ["parquet", OfflineStoreConfig(staging_table_format="parquet")])  # type: ignore[arg-type] # what the test is about
def test_compaction_needs_delta(store: Any) -> None:
    """Compaction in another format is refused."""
    message = refusal(offline_store=store)
    assert "view 'spend': compaction needs offline_store to be Delta Lake; got 'parquet'" in message


def test_without_compaction() -> None:
    """A view that is not compacted may be online only."""
    assert not declare(offline=False, compaction_enabled=False).offline


@pytest.mark.parametrize("version", ["0.8.2", "0.8.10", "0.10.0", "1.2.0", "1.0.0b3"])
def test_tecton_runtime(version: str) -> None:
    """A runtime of that SDK from 0.8.2 on is accepted."""
    assert declare(tecton_materialization_runtime=version).version == declare().version


@pytest.mark.parametrize("version", ["0.8.1", "0.7.20", "0.8", "latest", 0.8])
def test_old_tecton_runtime(version: object) -> None:
    """An older runtime, or what is no version, is refused."""
    message = refusal(tecton_materialization_runtime=version)
    rule = "tecton_materialization_runtime must be a version string of at least 0.8.2"
    assert f"view 'spend': {rule}; got {version!r}" in message


def test_own_runtime() -> None:
    """The project's own version can be asked for."""
    assert __version__ in WRITABLE_RUNTIMES
    assert declare(materialization_runtime=__version__).name == "spend"


def test_foreign_runtime() -> None:
    """A version of this project that this code cannot write is refused."""
    message = refusal(materialization_runtime="9.0.0")
    assert "view 'spend': materialization_runtime must be a version that this code can write; got '9.0.0'" in message
