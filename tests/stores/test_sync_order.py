"""Syncs that interleave, sleep, repeat and are older, in any order, against the rules in plain Python."""

from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.effort import examples
from tests.stores.syncs import VERSION, VIEW, Syncs
from tilefold.engine.mark import Mark
from tilefold.stores.online_store import OnlineStore

NAMES = ("a", "b")
MARKS = [Mark(1, 1), Mark(2, 2), Mark(3, 3), Mark(2, 1), Mark(1, 2)]
STEPS = st.lists(
    st.tuples(st.sampled_from(["begin", "write", "empty", "remove", "commit"]), st.sampled_from(MARKS), st.sampled_from(NAMES)),
    min_size=8,
    max_size=40,
)


@dataclass
class Model:
    """The store as design and spec state it: stamps and marks only grow, in both parts."""

    mark: Mark | None = None
    begun: set[Mark] = field(default_factory=set)
    stamps: dict[str, tuple[Mark, bool]] = field(default_factory=dict)

    def stands(self, mark: Mark, *others: Mark | None) -> bool:
        """Whether a sync of `mark` may go on beside these."""
        return all(other is None or mark.at_or_above(other) for other in others)

    def begin(self, mark: Mark) -> bool:
        """Enter a sync."""
        if not self.stands(mark, self.mark, *self.begun):
            return False
        self.begun.add(mark)
        return True

    def write(self, mark: Mark, name: str, empty: bool) -> bool:
        """Write one key."""
        stamp = self.stamps.get(name)
        if not self.stands(mark, self.mark, stamp and stamp[0]):
            return False
        self.stamps[name] = (mark, empty)
        return True

    def remove(self, below: Mark) -> int:
        """Remove emptied keys."""
        gone = [name for name, (mark, empty) in self.stamps.items() if empty and self.stands(below, mark)]
        gone = [name for name in gone if self.mark is not None and self.stands(self.mark, self.stamps[name][0])]
        for name in gone:
            del self.stamps[name]
        return len(gone)

    def commit(self, mark: Mark) -> bool | None:
        """Move the mark; None where the sync never began."""
        if not self.stands(mark, self.mark):
            return False
        if mark not in self.begun and mark != self.mark:
            return None
        self.mark = mark
        self.begun = {other for other in self.begun if not mark.at_or_above(other)}
        return True


def _step(store: OnlineStore, model: Model, kind: str, mark: Mark, name: str) -> tuple[object, object]:
    """One step in the store and in the model."""
    syncs = Syncs(store)
    if kind == "begin":
        return store.begin(VIEW, VERSION, mark), model.begin(mark)
    if kind == "write":
        return syncs.write(mark, name), model.write(mark, name, empty=False)
    if kind == "empty":
        return syncs.empty(mark, name), model.write(mark, name, empty=True)
    if kind == "remove":
        return store.remove_emptied(VIEW, VERSION, syncs.keys(*NAMES), mark), model.remove(mark)
    expected = model.commit(mark)
    return (None if expected is None else store.commit(VIEW, VERSION, mark)), expected


@settings(deadline=None, max_examples=examples(80), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_any_order_of_syncs_follows_the_rules(store: OnlineStore, steps: list[tuple[str, Mark, str]]) -> None:
    """Whatever syncs do, in whatever order, the store answers and ends as the rules say."""
    store.client.delete(store.mark_key(VIEW, VERSION), *Syncs(store).keys(*NAMES))
    model = Model()
    for kind, mark, name in steps:
        found, expected = _step(store, model, kind, mark, name)
        assert found == expected, (kind, mark, name)
    assert store.mark(VIEW, VERSION) == model.mark
    assert set(store.begun(VIEW, VERSION)) == model.begun
    assert Syncs(store).stamps() == {name: stamp for name, (stamp, _) in model.stamps.items()}
