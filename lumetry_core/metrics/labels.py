"""Labels that people write: filters and bindings."""

from collections.abc import Mapping

from lumetry_core.metrics.definition import LABEL_KEY, MAX_LABEL_VALUE, MAX_LABELS
from lumetry_core.runtime.errors import Faults

LABEL_NAMES = "label names have 1 to 128 characters without =, | and control characters"


def check_labels(labels: Mapping[str, str], path: str, faults: Faults) -> None:
    """Notes labels that no point can carry."""
    faults.check(len(labels) <= MAX_LABELS, path, f"must have at most {MAX_LABELS} labels")
    for name, value in labels.items():
        if LABEL_KEY.fullmatch(name) is None:
            faults.add(f"{path}.{name}", LABEL_NAMES)
        elif not 1 <= len(value) <= MAX_LABEL_VALUE or "\0" in value:
            faults.add(f"{path}.{name}", f"must have 1 to {MAX_LABEL_VALUE} characters and no NUL")


def carries(labels: Mapping[str, str], pairs: Mapping[str, str]) -> bool:
    """Whether labels hold all pairs."""
    return all(labels.get(name) == value for name, value in pairs.items())
