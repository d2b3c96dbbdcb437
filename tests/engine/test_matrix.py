"""The table functions x modes, cell by cell."""

from typing import Any

import pytest

from tests.engine.drawing import INPUTS
from tests.engine.matrix import (
    ATTRIBUTE,
    FUNCTIONS,
    MODES,
    NO_WINDOW,
    REFUSED,
    Setting,
    refusal_of,
    refused,
    requests_of,
    types_of,
)
from tests.engine.matrix_reads import answers_of
from tests.engine.stream_keys import same
from tilefold import Attribute
from tilefold.functions.registry import FUNCTION_NAMES
from tilefold.types import String

CELLS = [(function, mode) for mode in MODES for function in FUNCTIONS]
TESTED = [cell for cell in CELLS if cell not in REFUSED and cell not in NO_WINDOW]
WAYS = {"batch": ("compacted, few=0", "compacted, few=64", "training")}
STREAM_WAYS = ("stream", "merged", "training")


def _wrong(setting: Setting, function: str) -> list[Any]:
    """What is said of a function that the reference does not say; every way of reading says something."""
    said = [one for one in answers_of(setting) if one.function == function]
    for way in WAYS.get(setting.edge, STREAM_WAYS):
        assert any(one.way.startswith(way) for one in said), (setting, way)
    return [
        (one.way, one.feature.name, one.value, one.expected) for one in said if not same(one.value, one.expected, one.scale)
    ]


@pytest.mark.parametrize(("function", "mode"), TESTED)
def test_the_value_is_what_the_reference_says(function: str, mode: str) -> None:
    """In every setting of the mode and every way of reading it."""
    for setting in MODES[mode]:
        assert not _wrong(setting, function), setting


@pytest.mark.parametrize(("function", "mode"), REFUSED)
def test_what_is_refused_is_refused_by_name(function: str, mode: str) -> None:
    """What does not work in a mode cannot be declared in it; the error names the rule."""
    for setting in MODES[mode]:
        assert REFUSED[function, mode] in refused(function, setting)


def test_a_window_lists_its_secondary_keys() -> None:
    """The keys that stand beside the lists of values, in order."""
    for setting in MODES["secondary key"]:
        assert not _wrong(setting, "keys"), setting


def test_an_attribute_has_no_window() -> None:
    """So there is nothing to test in the modes that are kinds of windows."""
    with pytest.raises(TypeError, match="time_window"):
        Attribute("text", String, time_window=MODES["offset"][0].windows[0])  # type: ignore[call-arg] # that is the point


@pytest.mark.parametrize("function", FUNCTION_NAMES)
def test_a_type_is_taken_or_refused_by_name(function: str) -> None:
    """Of all types of input a function takes some, and says its name where it refuses another."""
    for request in requests_of(function):
        assert types_of(request)
        for name in set(INPUTS) - set(types_of(request)):
            assert f"function '{function}': it takes" in str(refusal_of(request, INPUTS[name][0]))


def test_every_function_stands_in_the_table() -> None:
    """Rows are the registry's functions, the count of events and attributes; a cell is tested, refused, or has no meaning."""
    assert set(FUNCTIONS) > set(FUNCTION_NAMES)
    assert ATTRIBUTE in FUNCTIONS
    assert len(TESTED) + len(REFUSED) + len(NO_WINDOW) == len(FUNCTIONS) * len(MODES)
