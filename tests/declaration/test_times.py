from tests.declaration.samples import DAY_US, HOUR_US
from tilefold.declaration.times import common_grid_us, duration_text, instant_text


def test_duration_text() -> None:
    """A duration reads in every unit that is not zero, from days down."""
    assert [duration_text(at_us) for at_us in (0, 1, 999, 1_000, 60_000_000, 36 * HOUR_US, 90 * DAY_US)] == [
        "0s", "1us", "999us", "1ms", "1m", "1d12h", "90d",
    ]  # fmt: skip


def test_instant_text() -> None:
    """An instant reads in UTC."""
    assert instant_text(DAY_US) == "1970-01-02T00:00:00+00:00"


def test_common_grid() -> None:
    """The common grid divides every step; a step of zero lies on every grid."""
    assert common_grid_us([DAY_US, 36 * HOUR_US, 0]) == 12 * HOUR_US
