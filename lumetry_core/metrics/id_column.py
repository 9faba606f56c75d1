"""A growing numpy column indexed by row number."""

from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


class IdColumn(Generic[Scalar]):
    """One value per row number; zero where nothing was set. `values` is replaced when it grows, so take it anew after `reserve`."""

    def __init__(self, scalar: type[Scalar]) -> None:
        self.values: NDArray[Scalar] = np.zeros(1024, scalar)

    def reserve(self, last_id: int) -> None:
        """Makes room for numbers up to and including `last_id`."""
        if last_id >= len(self.values):
            grown: NDArray[Any] = np.zeros(max(last_id + 1, 2 * len(self.values)), self.values.dtype)
            grown[: len(self.values)] = self.values
            self.values = grown
