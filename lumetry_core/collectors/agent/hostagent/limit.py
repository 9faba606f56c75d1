"""The limit of series: the first ones are sent, the others are left out and counted. Pure."""

from collections.abc import Iterable, Sequence

from lumetry_core.collectors.agent.reading import Sample

FORGOTTEN_SECONDS = 3600.0
"""A series without a value for so long gives its place away."""

SeriesKey = tuple[str, tuple[tuple[str, str], ...]]


class SeriesLimit:
    """Which series have a place."""

    def __init__(self) -> None:
        self._sent: dict[SeriesKey, float] = {}
        """When each had its newest value."""
        self._dropped: dict[SeriesKey, float] = {}

    @property
    def sent_count(self) -> int:
        """Series that are sent."""
        return len(self._sent)

    @property
    def dropped_count(self) -> int:
        """Series that are left out."""
        return len(self._dropped)

    def admit(self, samples: Iterable[Sample], max_series: int, elapsed_seconds: float) -> Sequence[Sample]:
        """The samples of series that have a place, in their order.

        Args:
            max_series: How many places there are.
            elapsed_seconds: Of a clock that never jumps.
        """
        self._forget(elapsed_seconds - FORGOTTEN_SECONDS)
        self._shrink(max_series)
        admitted = []
        for sample in samples:
            key = (sample.metric_key, tuple(sorted(sample.labels.items())))
            if key in self._sent or len(self._sent) < max_series:
                self._dropped.pop(key, None)
                self._sent[key] = elapsed_seconds
                admitted.append(sample)
            elif key in self._dropped or len(self._dropped) < self.most_remembered(max_series):
                self._dropped[key] = elapsed_seconds
        return admitted

    def most_remembered(self, max_series: int) -> int:
        """Of the series left out; a host with a wild number of them must not cost memory without end."""
        return 10 * max_series

    def _forget(self, before: float) -> None:
        for places in (self._sent, self._dropped):
            for key in [key for key, seen in places.items() if seen < before]:
                del places[key]

    def _shrink(self, max_series: int) -> None:
        """Takes the newest places away when the limit was lowered."""
        while len(self._sent) > max_series:
            key, seen = self._sent.popitem()
            self._dropped[key] = seen
