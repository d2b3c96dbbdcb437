"""Two contestants in one process, turn by turn, since machines are noisy: what counts is the ratio of each pair."""

import platform
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path


def machine() -> str:
    """A line that says where and when the figures were taken."""
    return f"{platform.machine()}, Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}"


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def turns(ours: Callable[[], object], yardstick: Callable[[], object], rounds: int) -> list[tuple[float, float]]:
    """Seconds of ours and of the yardstick, pair by pair; who goes first changes from pair to pair."""
    pairs = []
    for number in range(rounds):
        if number % 2:
            yard = seconds(yardstick)
            pairs.append((seconds(ours), yard))
        else:
            mine = seconds(ours)
            pairs.append((mine, seconds(yardstick)))
    return pairs


def report(what: str, pairs: Sequence[tuple[float, float]], target: str, scale: float = 1.0, unit: str = "s") -> float:
    """Print medians, the median ratio of the pairs and the target; returns the ratio ours / yardstick."""
    ratio = statistics.median(mine / yard for mine, yard in pairs)
    mine, yard = (statistics.median(column) * scale for column in zip(*pairs, strict=True))
    low, high = min(m / y for m, y in pairs), max(m / y for m, y in pairs)
    figures = f"ours {mine:.3f} {unit}, yardstick {yard:.3f} {unit}, ratio {ratio:.2f} ({low:.2f}-{high:.2f})"
    print(f"{what}: {figures}; target {target}", flush=True)
    return ratio


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which a share of the values lies."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def high_water_mb() -> float:
    """The peak memory of this program; `ru_maxrss` would count that of the process that started it, too."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
