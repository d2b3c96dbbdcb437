"""Which features a reader tells, where another version of the view may answer than the one that is declared.

The rule: names and order are those that were asked for. A feature that the answering version has not, or has in another type,
is lacking: it is NOT_READY, never a value of another meaning.
"""

from dataclasses import dataclass

from tilefold.declaration.features import Feature
from tilefold.declaration.views import FeatureView
from tilefold.serving.context import ViewContext


@dataclass(frozen=True, slots=True)
class Told:
    """The features that a reader tells, and where its own version has them.

    Attributes
    ----------
    names, features, windows_of
        Of each: `view.feature`, the feature, and the numbers of its windows among the version's.
    order
        Of each its number in the version, or None; None in all where these are the version's features as they are.
    lacking
        The numbers of those that the version has not.
    """

    names: list[str]
    features: list[Feature]
    windows_of: list[frozenset[int]]
    order: list[int | None] | None
    lacking: frozenset[int]


def told_features(context: ViewContext, shape: FeatureView | None) -> Told:
    """The features of `shape`, as this version of the view can tell them; its own, where that is None."""
    view = context.view
    told = view.features if shape is None else shape.features
    numbers = {window: number for number, window in enumerate(context.windows)}
    own = {feature.name: number for number, feature in enumerate(view.features)}
    order = [own.get(feature.name) for feature in told]
    order = [None if at is None or view.features[at].dtype != each.dtype else at for at, each in zip(order, told, strict=True)]
    features = [each if at is None else view.features[at] for at, each in zip(order, told, strict=True)]
    return Told(
        names=[f"{view.name}.{feature.name}" for feature in told],
        features=features,
        windows_of=[frozenset(numbers.get(window, -1) for window in feature.windows) for feature in features],
        order=None if order == list(range(len(view.features))) else order,
        lacking=frozenset(number for number, at in enumerate(order) if at is None),
    )
