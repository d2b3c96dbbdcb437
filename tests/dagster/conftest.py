"""A shop with ten days of purchases, and its Dagster definitions."""

from pathlib import Path

import pytest

from tests.dagster.shopping import Shop, write_purchases


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A shop of its own, whose purchases lie in a file and are not imported yet."""
    write_purchases(tmp_path / "root")
    return Shop(tmp_path / "root")
