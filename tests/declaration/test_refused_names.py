"""Names that import and do not carry over."""

from typing import Any

import pytest

import tilefold
from tests.declaration.samples import declare
from tilefold.declaration.refused_names import IGNORED_CONFIGS, REFUSED_NAMES
from tilefold.errors import IgnoredParameterWarning, NotBuiltYetError


@pytest.mark.parametrize("name", sorted(REFUSED_NAMES))
def test_refused(name: str) -> None:
    """Each imports, and calling it with a name is an error that holds that name, and what to do."""
    with pytest.raises(NotBuiltYetError) as refused:
        getattr(tilefold, name)(name="thing", anything=5)
    assert str(refused.value) == f"{name} 'thing': it does not carry over; got {name!r}. {REFUSED_NAMES[name]}"


@pytest.mark.parametrize("name", sorted(name for name in REFUSED_NAMES if name[0].islower()))
def test_decorators(name: str) -> None:
    """A decorator is refused with the name of the function below it."""
    with pytest.raises(NotBuiltYetError, match=f"{name} 'is_high': it does not carry over"):

        @getattr(tilefold, name)(sources=[])
        def is_high(request: Any) -> Any:
            return request


@pytest.mark.parametrize("name", sorted(IGNORED_CONFIGS))
def test_ignored(name: str) -> None:
    """A configuration that changes no value can be made of anything; the view that takes it says that it is ignored."""
    with pytest.warns(IgnoredParameterWarning, match="ignores batch_compute"):
        assert declare(batch_compute=getattr(tilefold, name)("x", size=5)).version == declare().version
