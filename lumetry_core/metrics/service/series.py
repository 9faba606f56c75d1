"""Series in memory for those who read entries."""

import numpy as np

from lumetry_core.metrics.id_column import IdColumn
from lumetry_core.metrics.model import Integers
from lumetry_core.metrics.store import series as series_store
from lumetry_core.runtime.database import Transaction


class SeriesIndex:
    """The metric of each series as a column by series number.

    Only `ensure_loaded` fills it; a series that was loaded never changes. Take the column anew after each load.
    """

    def __init__(self) -> None:
        self._metrics = IdColumn(np.int64)

    @property
    def metric_ids(self) -> Integers:
        """Metric by series; 0 where not loaded."""
        return self._metrics.values

    async def ensure_loaded(self, tx: Transaction, series_ids: Integers) -> None:
        """Loads what is not loaded of the series, in batches."""
        if not len(series_ids):
            return
        self._metrics.reserve(int(series_ids.max()))
        unknown = series_ids[self._metrics.values[series_ids] == 0]
        if not len(unknown):
            return
        for series_id, metric_id in await series_store.read_metric_ids(tx, np.unique(unknown).tolist()):
            self._metrics.values[series_id] = metric_id
