"""What this process knows of registered series, so that known ones cost no statement."""

from collections.abc import Mapping

import numpy as np

from lumetry_core.metrics.dictionary import Resolution
from lumetry_core.metrics.id_column import IdColumn
from lumetry_core.metrics.model import Integers


class SeriesRegistry:
    """Registered series by identity, their metrics, and when a metric's ingestion was last noted. Holds durable facts only."""

    def __init__(self) -> None:
        self._ids: dict[bytes, int] = {}
        self._metrics = IdColumn(np.int64)
        self._noted_ms = IdColumn(np.int64)

    def find(self, identity: bytes) -> int:
        """The series, 0 when it is not known here."""
        return self._ids.get(identity, 0)

    def metrics_of(self, series_ids: Integers) -> Integers:
        """The metric of each series; 0 where it is not known here."""
        self._metrics.reserve(int(series_ids.max()))
        return self._metrics.values[series_ids]

    def list_unnoted(self, metric_ids: Integers, before_ms: int) -> list[int]:
        """The metrics whose ingestion was not noted since `before_ms`, ascending."""
        self._noted_ms.reserve(int(metric_ids.max()))
        due = self._noted_ms.values[metric_ids] < before_ms
        return np.unique(metric_ids[due]).tolist() if due.any() else []

    def learn(self, registered: Mapping[bytes, tuple[int, int]]) -> None:
        """Takes over series (identity to series and metric) that have been committed."""
        if not registered:
            return
        self._metrics.reserve(max(series_id for series_id, _ in registered.values()))
        for identity, (series_id, metric_id) in registered.items():
            self._ids[identity] = series_id
            self._metrics.values[series_id] = metric_id

    def note(self, metric_ids: list[int], now_ms: int) -> None:
        """Takes over that ingestion of metrics has been noted."""
        if metric_ids:
            self._noted_ms.reserve(max(metric_ids))
            self._noted_ms.values[metric_ids] = now_ms

    def forget_notes(self) -> None:
        """Makes the next point of every metric be noted, as after the removal of a definition, which such a point takes back."""
        self._noted_ms.values.fill(0)


def learn_resolution(resolution: Resolution, resolved: Mapping[int, int]) -> None:
    """Takes over what numbers of a dictionary stand for, once the series have been committed."""
    ids = resolution.ids
    for number, series_id in resolved.items():
        ids[number] = series_id
