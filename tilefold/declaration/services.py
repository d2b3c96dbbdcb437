"""`FeatureService`: a named list of views, or chosen features of them, that are read together.

The rule: in one service a feature stands once, and a view's name means one view.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tilefold.declaration.elsewhere import SERVICE, tolerant
from tilefold.declaration.names import checked_name, first_duplicate
from tilefold.declaration.views import FeatureSelection, FeatureView
from tilefold.errors import DeclarationError, complaint


@tolerant("service", ("name", "features", "description", "owner", "tags"), SERVICE)
@dataclass(frozen=True, slots=True, eq=False)
class FeatureService:
    """Features that are read together.

    Parameters
    ----------
    name
        Its name.
    features
        Views, or chosen features of them: `[user_spend, user_logins[["count_7d"]]]`; held as selections.

    Raises
    ------
    DeclarationError
        If the name breaks a rule, there is no feature, or one stands twice.
    """

    name: str
    features: Sequence[FeatureView | FeatureSelection]
    description: str = ""
    owner: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        thing = f"service {self.name!r}"
        checked_name(thing, self.name)
        selections = _selections(thing, self.features)
        _check_names(thing, selections)
        object.__setattr__(self, "features", selections)

    @property
    def selections(self) -> tuple[FeatureSelection, ...]:
        """The chosen features, view by view, in the order given."""
        return tuple(part for part in self.features if isinstance(part, FeatureSelection))

    @property
    def views(self) -> tuple[FeatureView, ...]:
        """The views, each once, in the order given."""
        return tuple({selection.view.name: selection.view for selection in self.selections}.values())


def _selections(thing: str, features: object) -> tuple[FeatureSelection, ...]:
    if not isinstance(features, Sequence) or isinstance(features, str) or not features:
        mend = "Write features=[user_spend]."
        raise DeclarationError(complaint(thing, "features must be a list of at least one view", features, mend))
    return tuple(_selection(thing, part) for part in features)


def _selection(thing: str, part: object) -> FeatureSelection:
    if isinstance(part, FeatureView):
        return FeatureSelection(part, tuple(feature.name for feature in part.features))
    if isinstance(part, FeatureSelection):
        return part
    mend = 'List views, or chosen features of them: view[["amount_sum_30d"]].'
    raise DeclarationError(complaint(thing, "features holds views", part, mend))


def _check_names(thing: str, selections: tuple[FeatureSelection, ...]) -> None:
    views: dict[str, FeatureView] = {}
    for selection in selections:
        if views.setdefault(selection.view.name, selection.view) is not selection.view:
            mend = "Rename one of the two views."
            raise DeclarationError(complaint(thing, "a view's name means one view", selection.view.name, mend))
    twice = first_duplicate(f"{one.view.name}.{name}" for one in selections for name in one.names)
    if twice:
        raise DeclarationError(complaint(thing, "a feature may stand once in a service", twice, "Remove one of them."))
