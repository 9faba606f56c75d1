"""The members of a metric that are analysed, and their newest values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lumetry_core.metrics.dimension import dimension_key_of
from lumetry_core.metrics.fleet_contract import FleetContract
from lumetry_core.metrics.model import Floats, Integers, SeriesInfo


@dataclass(frozen=True, slots=True, eq=False)
class Roster:
    """Members in order of their registration.

    Args:
        keys: Dimension key of each member.
        groups: For each member, the position of its group in `group_keys`.
        series_ids: Stored series of the members, ascending, and
        members: for each of them the member it belongs to.
        is_overflowing: Whether there are members beyond the limit, who are left out.
    """

    keys: Sequence[str | None]
    groups: Integers
    group_keys: Sequence[str | None]
    series_ids: Integers
    members: Integers
    is_overflowing: bool


@dataclass(frozen=True, slots=True, eq=False)
class Newest:
    """The newest value of each member that has one: parallel columns, members ascending."""

    members: Integers
    times_ms: Integers
    values: Floats

    def since(self, start_ms: int) -> "Newest":
        """Those whose newest value is after a time."""
        kept = self.times_ms > start_ms
        return Newest(self.members[kept], self.times_ms[kept], self.values[kept])


def enroll(series: Iterable[SeriesInfo], dimension_keys: Sequence[str], contract: FleetContract) -> Roster:
    """Lists the members of a metric that are in scope.

    The limit counts all members, whether in scope or not, in the order in which they were first seen.

    Args:
        series: All series of the metric, ascending by number.
    """
    split = contract.split_dimension or next(iter(dimension_keys), None)
    other_keys = [key for key in dimension_keys if key != split]
    enrolled: dict[str | None, int] = {}
    """Position among all members."""
    positions: dict[str | None, int] = {}
    keys: list[str | None] = []
    groups: list[int] = []
    group_positions: dict[str | None, int] = {}
    series_ids: list[int] = []
    members: list[int] = []
    for each in series:
        key = dimension_key_of(each.labels, dimension_keys, multidimensional=True)
        enrolled.setdefault(key, len(enrolled))
        if enrolled[key] >= contract.max_cardinality or not is_in_scope(contract.scope, each.labels):
            continue
        if key not in positions:
            positions[key] = len(keys)
            keys.append(key)
            group = dimension_key_of(each.labels, other_keys, multidimensional=True)
            groups.append(group_positions.setdefault(group, len(group_positions)))
        series_ids.append(each.id)
        members.append(positions[key])
    return Roster(
        keys=keys,
        groups=np.array(groups, np.int64),
        group_keys=list(group_positions),
        series_ids=np.array(series_ids, np.int64),
        members=np.array(members, np.int64),
        is_overflowing=len(enrolled) > contract.max_cardinality,
    )


def is_in_scope(scope: Mapping[str, str] | None, labels: Mapping[str, str]) -> bool:
    """Whether labels carry all pairs of a scope."""
    return all(labels.get(name) == value for name, value in (scope or {}).items())


def find_newest(roster: Roster, series_ids: Integers, times_ms: Integers, values: Floats) -> Newest:
    """The newest value of each member among points of its series; of series that fall on one member and time the oldest counts."""
    members = roster.members[np.searchsorted(roster.series_ids, series_ids)] if len(series_ids) else np.zeros(0, np.int64)
    order = np.lexsort((-series_ids, times_ms, members))
    members, times_ms, values = members[order], times_ms[order], values[order]
    last = np.append(members[1:] != members[:-1], True)[: len(members)]
    return Newest(members[last], times_ms[last], values[last])
