"""How keys are cut into scripts and pipelines."""

import pytest

from tests.stores.syncs import EARLY, Syncs
from tilefold.stores.online_store import OnlineStore
from tilefold.stores.script_runner import SCRIPT_BYTES, SYNC_KEYS, Script, batched, spans


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], []),
        ([1], [slice(0, 1)]),
        ([1] * SYNC_KEYS, [slice(0, SYNC_KEYS)]),
        ([1] * (SYNC_KEYS + 1), [slice(0, SYNC_KEYS), slice(SYNC_KEYS, SYNC_KEYS + 1)]),
        ([SCRIPT_BYTES // 2] * 3, [slice(0, 2), slice(2, 3)]),
        ([2 * SCRIPT_BYTES, 1, 2 * SCRIPT_BYTES], [slice(0, 1), slice(1, 2), slice(2, 3)]),
    ],
)
def test_a_script_is_small(sizes: list[int], expected: list[slice]) -> None:
    """A script takes no more keys, and no more bytes, than it can write while a read waits; one large key goes alone."""
    assert list(spans(sizes)) == expected


def test_batches_keep_order_and_lose_nothing() -> None:
    """Lists of the length asked, the rest in the last one."""
    assert list(batched(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(batched([], 3)) == []


def test_a_script_that_the_server_forgot_is_sent_again(store: OnlineStore) -> None:
    """After SCRIPT FLUSH, or a restart, writing goes on."""
    syncs = Syncs(store)
    assert syncs.write(EARLY, "a")
    store.client.script_flush()
    assert syncs.write(EARLY, "b")
    assert set(syncs.stamps()) == {"a", "b"}


def test_the_hash_is_the_servers(store: OnlineStore) -> None:
    """A script is called by the name that the server gives it."""
    script = Script("return 1 -- Zoë")
    assert store.client.script_load(script.text) == script.digest.decode()
