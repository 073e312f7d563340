"""The statistics of one split, by column."""

from __future__ import annotations

from typing import TypeAlias

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import statistics_pb2

Statistics: TypeAlias = statistics_pb2.DatasetFeatureStatisticsList


class Columns:
    """The statistics of one split, by column."""

    def __init__(self, statistics: Statistics) -> None:
        view = tfdv.DatasetListView(statistics).get_default_slice()
        dataset = view.proto() if view else statistics_pb2.DatasetFeatureStatistics()
        self.examples: int = dataset.num_examples
        self._columns = {".".join(c.path.step) or c.name: c for c in dataset.features}

    @property
    def names(self) -> list[str]:
        """The columns there are."""
        return list(self._columns)

    def type(self, name: str) -> str:
        """TFDV's name of the type, such as STRING."""
        column = self._columns[name]
        return statistics_pb2.FeatureNameStatistics.Type.Name(column.type)

    def number(self, name: str) -> statistics_pb2.NumericStatistics:
        """Minimum, maximum, mean and so on; all zero for what is no number."""
        column = self._columns.get(name)
        return column.num_stats if column else statistics_pb2.NumericStatistics()

    def counts(self, name: str) -> dict[str, float]:
        """Examples per value of a column of words, the most frequent first."""
        column = self._columns.get(name)
        buckets = column.string_stats.rank_histogram.buckets if column else ()
        return {bucket.label: bucket.sample_count for bucket in buckets}

    def present(self, name: str) -> int:
        """Examples that have a value."""
        column = self._columns.get(name)
        if column is None:
            return 0
        return getattr(column, column.WhichOneof("stats")).common_stats.num_non_missing


def percent(share: float) -> str:
    """A share as people read it, such as 0.3%."""
    return f"{100 * share:.3g}%"
