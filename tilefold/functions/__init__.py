"""The algebra behind the aggregates: one file per family, and a closed registry that knows them all."""

from tilefold.functions.base import OVERFLOW, AggregateFunction, Component, FunctionRequest, Partial
from tilefold.functions.registry import keys_function, resolve, resolve_attribute

__all__ = [
    "OVERFLOW",
    "AggregateFunction",
    "Component",
    "FunctionRequest",
    "Partial",
    "keys_function",
    "resolve",
    "resolve_attribute",
]
