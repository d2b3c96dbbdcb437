"""What a writer read, folded into one part after the other; `test_stream_view` holds whole writes to it."""

from tests.engine.stream_drawing import BEGIN_US
from tests.serving.stream_memory import CODEC, LOG, VERSION, VIEW, MemoryLog, folder, rows_of
from tilefold.engine.stream_part import StreamPart
from tilefold.serving.stream_batch import StreamBatch
from tilefold.serving.stream_ports import StreamTarget
from tilefold.stores.stream_log import ORIGIN

TARGET = StreamTarget(VIEW, VERSION, folder(), CODEC, None, str.encode, rows_of, lambda: None)


def batch_of(log: MemoryLog) -> StreamBatch:
    """All that a log holds."""
    return StreamBatch(TARGET, log.read({0: 0, 1: 0}, 100), {0: ORIGIN, 1: ORIGIN})


def log_of(*users: str) -> MemoryLog:
    """A log of two shards, an event of each of these users in turn."""
    log = MemoryLog()
    for number, user in enumerate(users):
        log.event(number % 2, user, BEGIN_US + number)
    return log


def test_parts_share_what_they_say_of_the_log() -> None:
    """Parts that said the same before say the same afterwards, in one object, whether they had events or not."""
    batch, parts = batch_of(log_of("a", "b", "a")), [StreamPart(LOG), StreamPart(LOG)]
    assert sorted(batch.entities.values()) == ["a", "b"]
    batch.cut_for(parts)
    for part, user in zip(parts, "ab", strict=True):
        batch.fold(part, user)
    assert parts[0].positions == {0: 3, 1: 2}
    assert parts[0].positions is parts[1].positions
    assert [part.rows() for part in parts] == [2, 1]


def test_a_part_that_is_further_takes_what_it_lacks() -> None:
    """Of a part that ends inside of what was read, the events behind its end are folded, and its place never goes back."""
    batch = batch_of(log_of("a", "a", "a", "a"))
    behind, ahead = StreamPart(LOG), StreamPart(LOG, positions={0: 1, 1: 90})
    batch.cut_for([behind, ahead])
    for part in (behind, ahead):
        batch.fold(part, "a")
    assert [part.rows() for part in (behind, ahead)] == [4, 1]
    assert ahead.positions == {0: 3, 1: 90}
