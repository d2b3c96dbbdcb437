import threading
from pathlib import Path

import pytest

from tilefold.errors import InputError
from tilefold.stores.catalog import Catalog


def test_a_value_comes_back(tmp_path: Path) -> None:
    """What was put is read by every later opener, whatever characters it holds."""
    assert Catalog(str(tmp_path)).get("online_url") is None
    Catalog(str(tmp_path)).put("online_url", "redis://häst:1/%20 0")
    Catalog(str(tmp_path)).put("empty", "")
    assert Catalog(str(tmp_path)).items() == {"empty": "", "online_url": "redis://häst:1/%20 0"}


def test_putting_replaces(tmp_path: Path) -> None:
    """A key holds the value put last."""
    catalog = Catalog(str(tmp_path))
    catalog.put("a", "1")
    catalog.put("a", "2")
    assert (catalog.get("a"), catalog.items()) == ("2", {"a": "2"})


def test_the_first_of_many_wins(tmp_path: Path) -> None:
    """Of many that set a key first, one wins and all learn its value."""
    won: list[str] = []
    threads = [
        threading.Thread(target=lambda i=i: won.append(Catalog(str(tmp_path)).put_if_absent("root", str(i)))) for i in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 5
    assert set(won) == {Catalog(str(tmp_path)).get("root")}


@pytest.mark.parametrize("key", ["", "a b", "a/b", "Ä"])
def test_a_key_is_a_plain_word(tmp_path: Path, key: str) -> None:
    """A key that could not stand in a path is refused."""
    with pytest.raises(InputError, match="a key is a part of a path"):
        Catalog(str(tmp_path)).put(key, "1")
