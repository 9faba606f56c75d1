"""Members of multidimensional metrics (contract 4.3 to 4.5)."""

from collections.abc import Mapping, Sequence

RESERVED_LABELS = frozenset({"host.id", "host.name", "host.group", "agent.id", "collector.id", "site.id", "environment", "os.type", "arch"})
"""Labels that agents, collectors and the platform set by themselves."""
COLLECTOR_LABEL = "collector.id"


def dimension_key_of(labels: Mapping[str, str], dimension_keys: Sequence[str], multidimensional: bool) -> str | None:  # noqa: FBT001 -- agreed signature
    """The member a label set belongs to.

    Args:
        labels: Any order; absent or empty values are left out.
        dimension_keys: Ascending by code point.

    Returns:
        `k=v` pairs joined with `|`; None for a single metric or when no dimension is present.
    """
    if not multidimensional:
        return None
    pairs = [f"{key}={escape(labels[key])}" for key in dimension_keys if labels.get(key)]
    return "|".join(pairs) or None


def escape(value: str) -> str:
    """A label value as it stands in a dimension key."""
    return value.replace("%", "%25").replace("|", "%7C")


def labels_of_member(dimension_key: str | None) -> dict[str, str]:
    """The labels that a dimension key holds."""
    if not dimension_key:
        return {}
    pairs = (pair.partition("=") for pair in dimension_key.split("|"))
    return {name: value if "%" not in value else value.replace("%7C", "|").replace("%25", "%") for name, _, value in pairs}


def dimensions_of_first_point(labels: Mapping[str, str]) -> tuple[str, ...]:
    """The dimension keys that a metric gets from its first point, ascending; empty makes it a single metric.

    Reserved labels other than `host.id` are left out unless nothing else remains.
    """
    names = sorted(labels)
    return tuple(name for name in names if name == "host.id" or name not in RESERVED_LABELS) or tuple(names)
