"""Definitions: a list, a module or a folder; a name means one thing; a file that fails is named with its line."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.pipelines import DAY, EVENTS, USER, declare, features
from tilefold import BatchSource, FeatureService
from tilefold.errors import DeclarationError, FileError, UnknownNameError
from tilefold.serving.definitions import load_definitions

SPEND = declare()
SERVICE = FeatureService("bundle", features=[SPEND[["count_1d"]]])
SOURCES = """
from tilefold import BatchSource, Entity, Field
from tilefold.types import String, Timestamp
logins = BatchSource("logins", schema=[Field("user", String), Field("at", Timestamp)], timestamp_field="at")
user = Entity("user", join_keys=[Field("user", String)])
"""
VIEWS = """
from datetime import datetime, timedelta
from tilefold import Aggregate, batch_feature_view
{}
@batch_feature_view(
    source=logins, entities=[user], feature_start_time=datetime(2024, 1, 1),
    features=[Aggregate(function="count", time_window=timedelta(days=1))],
)
def seen(logins):
    return logins
"""


SERVICES = """
from tilefold import FeatureService
from zshop.features.views import seen
everything = FeatureService("everything", features=[seen])
"""


def test_a_list() -> None:
    """A list's views bring their sources, a service brings its views; entities may stand in it."""
    found = load_definitions([SERVICE, USER])
    assert (found.views, found.sources, found.services) == ({"spend": SPEND}, {"events": EVENTS}, {"bundle": SERVICE})


def test_a_module() -> None:
    """All declared objects of a module count, given as such or by name; whatever else it holds does not."""
    module = ModuleType("declared_somewhere")
    vars(module).update(spend=SPEND, number=5, text="x", path=Path())
    assert set(load_definitions(module).views) == {"spend"}
    assert set(load_definitions("tests.serving.test_definitions").services) == {"bundle"}


def folder(place: Path, **files: str) -> Path:
    """A folder of Python files."""
    made = place / "declared"
    made.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (made / f"{name}.py").write_text(text)
    return made


@pytest.mark.parametrize("given", ["from .zources import *", "from zources import *", "from declared.zources import *"])
def test_files_import_each_other(tmp_path: Path, given: str) -> None:
    """The files of a folder may import each other in every usual way, in any order, and leave nothing behind."""
    made = folder(tmp_path, views=VIEWS.format(given), zources=SOURCES)
    path, modules = list(sys.path), {name for name in sys.modules if "ources" in name}
    found = load_definitions(made)
    assert (set(found.views), set(found.sources)) == ({"seen"}, {"logins"})
    assert load_definitions(str(made)).view("seen").version == found.view("seen").version
    assert sys.path == path
    left = {name for name in sys.modules if "ources" in name} - modules
    assert all(name.startswith("tilefold_definitions.") for name in left)


def test_a_file_is_read_anew(tmp_path: Path) -> None:
    """A folder's files are read each time, and two folders of one name are not mixed up."""
    first = load_definitions(folder(tmp_path / "a", views=SOURCES + VIEWS.format("")))
    second = load_definitions(folder(tmp_path / "b", views=SOURCES + VIEWS.format("").replace("days=1", "days=2")))
    assert [view.features[0].name for view in (first.view("seen"), second.view("seen"))] == ["count_1d", "count_2d"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nothing_of_that_name\n", r"broken.py, line 1 must import; got \"ModuleNotFoundError: No module named"),
        ("x = 1\nx.y\n", 'broken.py, line 2 must import; got "AttributeError'),
        ("def (\n", "broken.py, line 1 must import; got 'SyntaxError"),
    ],
)
def test_a_file_that_fails(tmp_path: Path, text: str, message: str) -> None:
    """A file that cannot be imported is a DeclarationError that names it, its line and the reason."""
    with pytest.raises(DeclarationError, match=message):
        load_definitions(folder(tmp_path, broken=text))


def test_a_declaration_that_breaks_a_rule(tmp_path: Path) -> None:
    """A rule broken in a file is told as it is anywhere."""
    broken = SOURCES + VIEWS.format("").replace("days=1", "hours=1")
    with pytest.raises(DeclarationError, match=r"view 'seen'.*window_size must be at least one batch_schedule"):
        load_definitions(folder(tmp_path, broken=broken))


@pytest.mark.parametrize("given", ["", "no_such_module", "tests.no_such_module", "no/such/folder"])
def test_nothing_there(given: str) -> None:
    """A name that is neither folder nor module is a FileError that shows it."""
    with pytest.raises(FileError, match=rf"there must be such a folder in .*, or such a module; got '{given}'\. Run it in"):
        load_definitions(given)


def test_a_folder_elsewhere_on_the_path_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python finds a folder of that name beside some package, it would import it as empty: that is nothing there."""
    folder(tmp_path, views=SOURCES)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(FileError, match=r"there must be such a folder in .*; got 'declared'"):
        load_definitions("declared")


def test_a_folder_that_declares_nothing(tmp_path: Path) -> None:
    """A folder without Python files, or whose files declare nothing, is another one than was meant: it is named."""
    for made in (folder(tmp_path / "empty"), folder(tmp_path / "poor", constants="answer = 42")):
        with pytest.raises(DeclarationError, match=rf"Python files that declare something; got '{made}'\. Declare a source"):
            load_definitions(made)


@pytest.mark.parametrize("given", ["math", ModuleType("math")])
def test_a_module_that_declares_nothing(given: Any) -> None:
    """A module without a declaration is named; a source or an entity alone is enough."""
    with pytest.raises(DeclarationError, match="a module must declare something; got 'math'"):
        load_definitions(given)
    module = ModuleType("declares_little")
    vars(module).update(user=USER)
    assert load_definitions(module).views == {}


@pytest.mark.parametrize("given", [[], ()])
def test_an_empty_list(given: Any) -> None:
    """Who lists nothing means nothing."""
    found = load_definitions(given)
    assert (found.sources, found.views, found.services) == ({}, {}, {})


def test_a_module_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that is there but cannot be imported is not called missing."""
    (tmp_path / "failing_module.py").write_text("import nothing_of_that_name\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(DeclarationError, match=r"failing_module must import; got .*nothing_of_that_name"):
        load_definitions("failing_module")


@pytest.mark.parametrize("given", [None, 5, SPEND, {"spend": SPEND}])
def test_no_list(given: Any) -> None:
    """What is no list, module or folder is refused."""
    with pytest.raises(DeclarationError, match="they must be a list, a module or a folder"):
        load_definitions(given)


@pytest.mark.parametrize("stranger", ["spend", 5, lambda events: events, SPEND[["count_1d"]]])
def test_a_stranger_in_a_list(stranger: Any) -> None:
    """What is no declaration, such as an undecorated function, is not left out without a word."""
    with pytest.raises(DeclarationError, match="a list holds declared objects alone"):
        load_definitions([SPEND, stranger])


@pytest.mark.parametrize(
    ("other", "kind"),
    [
        (declare(wanted=features(2 * DAY)), "view"),
        (BatchSource("events", schema=EVENTS.schema, timestamp_field="at", data_delay=DAY), "source"),
        (FeatureService("bundle", features=[SPEND]), "service"),
    ],
)
def test_one_name_for_two(other: Any, kind: str) -> None:
    """Two different objects of one kind and name are an error; the same one twice is not."""
    with pytest.raises(DeclarationError, match=f"{kind}: a name may stand for one object only; got '{other.name}'"):
        load_definitions([SPEND, SERVICE, other])
    assert set(load_definitions([SPEND, SPEND, declare()]).views) == {"spend"}


def test_a_view_and_a_service_of_one_name() -> None:
    """Views and services are read by name, so they may not share one."""
    with pytest.raises(DeclarationError, match="it may not share its name with a view; got 'spend'"):
        load_definitions([FeatureService("spend", features=[SPEND])])


@pytest.mark.parametrize("ask", ["view", "source", "selection"])
def test_unknown_names(ask: str) -> None:
    """A name that is not declared is an error that says which are."""
    with pytest.raises(UnknownNameError, match=r"got 'nothing'\. Declared are: "):
        getattr(load_definitions([SPEND]), ask)("nothing")


def test_subfolders(tmp_path: Path) -> None:
    """A folder of folders is read as its files import each other; tests and hidden files declare nothing, and nothing stays."""
    place = folder(tmp_path)
    for path, text in (
        ("zshop/data/zources.py", SOURCES),
        ("zshop/features/tests/test_seen.py", "raise AssertionError"),
        ("zshop/features/views.py", VIEWS.format("from zshop.data.zources import *")),
        ("zshop/services/all.py", SERVICES),
        (".hidden/broken.py", "raise AssertionError"),
        ("conftest.py", "raise AssertionError"),
    ):
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text)
    for _ in range(2):
        found = load_definitions(str(place))
        assert (set(found.sources), set(found.views), set(found.services)) == ({"logins"}, {"seen"}, {"everything"})
        assert not [name for name in sys.modules if name.partition(".")[0] == "zshop"]
