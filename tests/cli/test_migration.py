"""`tilefold doctor --migrate`: what carries over is told as it would happen, from the syntax tree alone."""

import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tilefold.cli.faults import CALLER, FAULT
from tilefold.cli.findings import Finding, Level
from tilefold.cli.migration import migration
from tilefold.declaration.elsewhere import VIEW
from tilefold.declaration.refused_names import REFUSED_NAMES
from tilefold.errors import TilefoldError

EXAMPLES = Path(__file__).parents[2] / "examples" / "coming_from_tecton"
BEFORE = """
from datetime import datetime, timedelta
import tecton as other
from tecton import *
from tecton import {names}
from tecton.types import Array, Struct, Field, Float64, String, Timestamp
schema = [Field("user_id", String), Field("at", Timestamp), Field("amount", Float64)]
user = Entity(name="user", join_keys=[Field("user_id", String)])
source = BatchSource(name="source", schema=schema)
pushed = StreamSource(name="pushed", schema=schema)
start = datetime(2022, 5, 1)
total = Aggregate(input_column=Field("amount", Float64), function="sum", time_window=timedelta(days=1))
view = dict(entities=[user], features=[total], feature_start_time=start)
"""
BATCH = "entities=[user], features=[total], feature_start_time=start"
FUNCTION = "\ndef spend(events):\n    return events\n"
SQL = "\ndef spend(events):\n    return f'SELECT * FROM {events}'\n"
CASES: dict[str, str] = {
    "plain": f"@batch_feature_view(sources=[source], mode='polars', {BATCH}){FUNCTION}",
    "attribute of the package": f"@other.batch_feature_view(source=source.unfiltered(), mode='pandas', {BATCH}){FUNCTION}",
    "dialect": f"@batch_feature_view(sources=[source], mode='spark_sql', {BATCH}){SQL}",
    "form": f"spend = StreamFeatureView(name='spend', source=pushed, trailing_edge='tecton', {BATCH})",
    "ignored": f"@batch_feature_view(sources=[source], mode='polars', alert_email='a', batch_compute=None, {BATCH}){FUNCTION}",
    "stars": "@batch_feature_view(source=source, **view)" + FUNCTION,
    "unknown": f"@batch_feature_view(sources=[source], mode='polars', watermark=5, {BATCH}){FUNCTION}",
    "of streams": f"@batch_feature_view(sources=[source], mode='polars', trailing_edge='exact', {BATCH}){FUNCTION}",
    "pyspark": f"@batch_feature_view(sources=[source], mode='pyspark', {BATCH}){FUNCTION}",
    "two sources": f"@batch_feature_view(sources=[source, source.unfiltered()], mode='polars', {BATCH}){FUNCTION}",
    "range": f"@batch_feature_view(sources=[source.select_range(start, start)], mode='polars', {BATCH}){FUNCTION}",
    "offset": f"@batch_feature_view(sources=[FilteredSource(source, start_time_offset=timedelta(-9))], {BATCH}){FUNCTION}",
    "context": f"@batch_feature_view(sources=[source], mode='polars', {BATCH})\ndef spend(events, context):\n    return events",
    "default context": (
        f"@batch_feature_view(sources=[source], mode='polars', {BATCH})"
        "\ndef spend(events, c=materialization_context()):\n    return events"
    ),
    "no batch part": (
        "spend = StreamFeatureView(name='s', source=pushed, trailing_edge='exact', "
        f"batch_trigger=BatchTriggerType.NO_BATCH_MATERIALIZATION, {BATCH})"
    ),
    "join keys as texts": "shop = Entity(name='shop', join_keys=['shop_id'])",
    "file format": "files = FileConfig(uri='a', file_format='json', timestamp_field='at')",
    "file parameter": "files = FileConfig(uri='a', timestamp_field='at', timestamp_format='%Y')",
    "glue": "files = FileConfig(uri='a', timestamp_field='at', convert_to_glue_format=True)",
    "push": "config = PushConfig(log_offline=True)",
    "nested": "@batch_feature_view(sources=[source], mode='polars', entities=[user], feature_start_time=start, "
    "features=[Attribute('words', Array(String))])" + FUNCTION,
    "nested by name": "@batch_feature_view(sources=[source], mode='polars', entities=[user], feature_start_time=start, "
    "features=[Attribute(name='words', dtype=Struct([Field('a', String)]))])" + FUNCTION,
    "service": "everything = FeatureService(name='everything', features=[], nonsense=5)",
    "step": "@transformation(mode='pyspark')\ndef step(events):\n    return events",
    "good step": "@transformation(mode='spark_sql', owner='me')\ndef step(events):\n    return events",
    "source function": "@pyarrow_batch_config(supports_time_filtering=True)\ndef rows(context):\n    return None",
    "wrong source function": "@pandas_batch_config(filtering=True)\ndef rows():\n    return None",
    **{f"refused {name}": f"thing = {name}(name='thing')" for name in sorted(REFUSED_NAMES)},
    "realtime": "@realtime_feature_view(sources=[], mode='python')\ndef is_high(request):\n    return request",
    **{
        f"refused {name}": f"@batch_feature_view(sources=[source], mode='polars', {name}=[1], {BATCH}){FUNCTION}"
        for name in sorted(VIEW.refused)
    },
}
NAMES = ", ".join(["Entity", *sorted(REFUSED_NAMES)])


def written(folder: Path, case: str, text: str | None = None) -> Path:
    """A file of definitions."""
    file = folder / "views.py"
    file.write_text(BEFORE.format(names=NAMES) + (CASES[case] if text is None else text))
    return file


def findings(path: Path) -> list[Finding]:
    """What is found, but for the sum of it."""
    return list(migration(str(path)))[:-1]


def loads(file: Path) -> bool:
    """Whether a file loads, once the one word is changed."""
    code = file.read_text().replace("tecton as other", "tilefold as other").replace("from tecton", "from tilefold")
    scope: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(compile(code, str(file), "exec"), scope)
        except TilefoldError:
            return False
    return True


@pytest.mark.parametrize("case", sorted(CASES))
def test_it_says_what_would_happen(case: str, tmp_path: Path) -> None:
    """Nothing fails in what loads, and in what does not load something does, at a line of that declaration."""
    file = written(tmp_path, case)
    wrong = [one for one in findings(file) if one.level is Level.FAIL]
    assert bool(wrong) is not loads(file)
    begin = BEFORE.count("\n")
    for one in wrong:
        place, _, line = one.subject.rpartition(":")
        assert place == str(file)
        assert int(line) > begin
        assert one.mend


def test_ignored_parameters_are_warnings(tmp_path: Path) -> None:
    """They are named, once a declaration."""
    told = [one for one in findings(written(tmp_path, "ignored")) if one.level is Level.WARN]
    assert [one.found for one in told] == ["batch view spend: alert_email, batch_compute: ignored"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("v = StreamFeatureView(name='v', source=pushed, entities=[user], features=[total])", "it says no feature_start_time"),
        (
            f"v = StreamFeatureView(name='v', source=pushed, entities=[user], {BATCH[16:]})",
            "trailing edges move in finer steps",
        ),
        ("v = StreamFeatureView(**view)", "takes parameters by **"),
    ],
)
def test_what_differs_is_a_warning(text: str, told: str, tmp_path: Path) -> None:
    """What loads and may surprise is told with what to do."""
    found = [one for one in findings(written(tmp_path, "", text)) if told in one.found]
    assert [one.level for one in found] == [Level.WARN]
    assert found[0].mend


def test_attributes_have_no_trailing_edge(tmp_path: Path) -> None:
    """A stream view of attributes alone has no windows to differ."""
    text = "v = StreamFeatureView(name='v', source=pushed, entities=[user], features=[Attribute('amount', Float64)])"
    assert not [one for one in findings(written(tmp_path, "", text)) if "trailing" in one.found]


def test_services_of_what_is_left_behind(tmp_path: Path) -> None:
    """A service, in whichever file, that reads what does not carry over is told; one beside it is not."""
    (tmp_path / "views.py").write_text("from tecton import *\n@realtime_feature_view()\ndef is_high(x): return x\n")
    text = "from tecton import FeatureService\nfrom views import is_high, spend\na = FeatureService(name='a', features=[{}])\n"
    (tmp_path / "zervices.py").write_text(text.format("spend, is_high[['x']]"))
    found = [one for one in findings(tmp_path) if "zervices" in one.subject]
    assert [one.found for one in found if one.level is Level.FAIL] == ["a service reads is_high, which does not carry over"]


def test_missing_names(tmp_path: Path) -> None:
    """Names and modules that are not there are told with their line; those of other packages are not looked at."""
    file = tmp_path / "views.py"
    file.write_text(
        "import numpy\nfrom tecton import Dataset, Entity\nimport tecton.framework.configs\nfrom .near import tecton\n"
    )
    assert [(one.subject.rpartition(":")[2], one.found) for one in findings(file)] == [
        ("2", "Dataset of tecton is no part of this project"),
        ("3", "module tecton.framework.configs is no part of this project"),
    ]


def test_the_examples_carry_over(tilefold: Run, tmp_path: Path) -> None:
    """The folder of examples, with its import lines as they were, carries over as a whole; the command ends with 0."""
    place = tmp_path / "before"
    shutil.copytree(EXAMPLES, place)
    for file in place.rglob("*.py"):
        file.write_text(file.read_text().replace("from tilefold", "from tecton"))
    code, out, _ = tilefold("doctor", "--migrate", str(place))
    assert code == 0, out
    assert (
        out.splitlines()[-1] == "ok    migration: 24 of 24 declarations carry over as they are; 12 import lines change one word"
    )


def test_exit_codes(tilefold: Run, tmp_path: Path) -> None:
    """1 where something does not carry over, with the file, the line, the reason and what to do."""
    file = written(tmp_path, "pyspark")
    code, out, _ = tilefold("doctor", "--migrate", str(file))
    assert code == FAULT
    assert f"{file}:14: batch view spend: mode='pyspark' is not known\n      -> Write the function" in out
    assert "fail  migration: 3 of 4 declarations carry over as they are" in out


def test_a_broken_file(tilefold: Run, tmp_path: Path) -> None:
    """A file that is no Python is told with its line, and the others are looked at all the same."""
    written(tmp_path, "plain")
    (tmp_path / "broken.py").write_text("from tecton import Entity\n\ndef spend(:\n")
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00")
    code, out, _ = tilefold("doctor", "--migrate", str(tmp_path))
    assert code == FAULT
    assert f"fail  {tmp_path}/broken.py:3: SyntaxError: invalid syntax" in out
    assert f"fail  {tmp_path}/binary.py:1: UnicodeDecodeError" in out
    assert "batch view spend carries over" in out


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda _: None, "--migrate: there must be such a folder"),
        (lambda path: path.mkdir(), "--migrate: the folder must hold Python files"),
        (
            lambda path: (path.mkdir(), (path / "a.py").write_text("import os")),
            "some file in it must import tecton; got 'none'",
        ),
    ],
)
def test_wrong_paths(make: Any, told: str, tilefold: Run, tmp_path: Path) -> None:
    """No folder, one without Python, one without that SDK: the caller's mistake, in one message."""
    make(tmp_path / "there")
    code, out, err = tilefold("doctor", "--migrate", str(tmp_path / "there"))
    assert (code, out) == (CALLER, "")
    assert told in err


def test_nothing_runs(tilefold: Run, tmp_path: Path) -> None:
    """Files are read, never executed."""
    (tmp_path / "views.py").write_text(f"import tecton\nopen({str(tmp_path / 'ran')!r}, 'w')\nraise SystemExit(9)\n")
    code, _, _ = tilefold("doctor", "--migrate", str(tmp_path))
    assert code == 0
    assert not (tmp_path / "ran").exists()
