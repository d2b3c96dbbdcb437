"""Names of the SDK that people come from which import here and do nothing, or are refused where they are used.

The rule: a file that imports one still loads, so that the rest of it carries over. A configuration that changes no value (a
cluster, a store, a cache) can be made, is handed to a parameter that is ignored, and warns there. Anything else is an error
once it is called, which names what was declared, and what to do.
"""

from collections.abc import Callable
from types import FunctionType
from typing import Any, Final

from tilefold.errors import NotBuiltYetError, complaint

IGNORED_CONFIGS: Final = (
    *("DatabricksClusterConfig", "DatabricksJsonClusterConfig", "EMRClusterConfig", "EMRJsonClusterConfig"),
    *("DataprocJsonClusterConfig", "RiftBatchConfig", "RiftStreamConfig", "AutoscalingConfig", "ProvisionedScalingConfig"),
    *("DynamoConfig", "RedisConfig", "BigtableConfig", "CacheConfig", "LoggingConfig"),
    *("DatetimePartitionColumn", "KafkaOutputStream", "KinesisOutputStream", "Secret", "TransformServerGroup"),
)
"""Configurations that change no value."""

_AT_READ: Final = "Views at request time are no part of this project: compute it where the features are read."
_TABLE_MEND: Final = (
    "Declare a StreamSource(stream_config=PushConfig()) of these columns and a StreamFeatureView of the same Attributes; "
    "push rows with Workspace.ingest or over HTTP."
)
_FILE_MEND: Final = "Use FileConfig(uri) for Parquet, CSV or Delta, or a function below @pandas_batch_config()."
_PUSH_MEND: Final = "Use PushConfig(), and let a consumer of the stream push its events: Workspace.ingest, or over HTTP."
_SPARK_MEND: Final = "There is no Spark: return the frame from a function below @pandas_batch_config() or the like."

REFUSED_NAMES: Final = {
    **dict.fromkeys(("RequestSource", "RealtimeFeatureView", "realtime_feature_view", "RealtimeContext"), _AT_READ),
    **dict.fromkeys(("OnDemandFeatureView", "on_demand_feature_view", "Calculation", "prompt", "Prompt"), _AT_READ),
    "FeatureTable": _TABLE_MEND,
    "PushSource": "Write StreamSource(name=..., schema=..., stream_config=PushConfig()).",
    "Aggregation": "Write Aggregate(input_column=Field(name, type), function=..., time_window=...) in features=[...].",
    **dict.fromkeys(("HiveConfig", "SnowflakeConfig", "RedshiftConfig", "BigQueryConfig", "UnityConfig"), _FILE_MEND),
    **dict.fromkeys(("KinesisConfig", "KafkaConfig"), _PUSH_MEND),
    **dict.fromkeys(("spark_batch_config", "spark_stream_config"), _SPARK_MEND),
    "ParquetConfig": "Leave offline_store out, or write OfflineStoreConfig(staging_table_format=DeltaConfig()).",
    **dict.fromkeys(("Embedding", "Inference", "ModelConfig"), "Compute it where events enter the source, as a column."),
    "resource_provider": "Read what the function needs where events enter the source.",
}
"""What is refused where it is used, and what to do instead."""


class IgnoredConfig:
    """A configuration that changes no value; it keeps nothing."""

    def __init__(self, *args: object, **given: object) -> None:
        """Take whatever was written."""
        del args, given


class RefusedName:
    """Stands for what is no part of this project: calling it is the error."""

    def __init__(self, name: str, mend: str) -> None:
        self.__name__ = name
        self._mend = mend

    def __call__(self, *args: Any, **given: Any) -> Callable[[FunctionType], Any]:
        """Refuse what is declared: at once where it has a name or is no decorator, else by the function below."""
        name = given.get("name", next((each for each in args if isinstance(each, str)), None))
        if name is None and not args and self.__name__[0].islower():
            return self._refuse_function
        raise self._refused(name)

    def _refuse_function(self, function: FunctionType) -> Any:
        raise self._refused(function.__name__)

    def _refused(self, declared: str | None) -> NotBuiltYetError:
        thing = self.__name__ if declared is None else f"{self.__name__} {declared!r}"
        return NotBuiltYetError(complaint(thing, "it does not carry over", self.__name__, self._mend))


def refused_or_ignored(name: str) -> Any:
    """What such a name stands for; None where it is none of them."""
    if name in IGNORED_CONFIGS:
        return type(name, (IgnoredConfig,), {"__doc__": "A configuration that changes no value here."})
    return RefusedName(name, REFUSED_NAMES[name]) if name in REFUSED_NAMES else None
