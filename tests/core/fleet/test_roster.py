import numpy as np

from lumetry_core.fleet.roster import Newest, Roster, enroll, find_newest
from lumetry_core.metrics.fleet_contract import FleetContract
from lumetry_core.metrics.model import SeriesInfo


def series(*labels: dict[str, str]) -> list[SeriesInfo]:
    return [SeriesInfo(number, 1, each) for number, each in enumerate(labels, start=10)]


def shown(roster: Roster) -> list[tuple[str | None, str | None]]:
    return [(key, roster.group_keys[group]) for key, group in zip(roster.keys, roster.groups.tolist(), strict=True)]


def test_enroll_groups_by_all_but_the_split_dimension() -> None:
    """All hosts' /var are peers; without another dimension everybody is."""
    given = series({"host.id": "a", "mount": "/var"}, {"host.id": "b", "mount": "/var"}, {"host.id": "a", "mount": "/"}, {"mount": "/x"})
    roster = enroll(given, ("host.id", "mount"), FleetContract())
    assert shown(roster) == [
        ("host.id=a|mount=/var", "mount=/var"),
        ("host.id=b|mount=/var", "mount=/var"),
        ("host.id=a|mount=/", "mount=/"),
        ("mount=/x", "mount=/x"),
    ]
    by_mount = enroll(given, ("host.id", "mount"), FleetContract(split_dimension="mount"))
    assert [group for _, group in shown(by_mount)] == ["host.id=a", "host.id=b", "host.id=a", None]
    assert shown(enroll(series({"host": "a"}, {"host": "b"}), ("host",), FleetContract())) == [("host=a", None), ("host=b", None)]


def test_enroll_keeps_to_scope_and_limit() -> None:
    """Members out of scope are left out but count towards the limit; members beyond it are left out and noted."""
    given = series(
        {"host": "a", "host.group": "web"},
        {"host": "b", "host.group": "db"},
        {"host": "c", "host.group": "web"},
        {"host": "a", "host.group": "web", "rack": "2"},
        {"host": "d", "host.group": "web"},
    )
    roster = enroll(given, ("host",), FleetContract(scope={"host.group": "web"}, max_cardinality=3))
    assert list(roster.keys) == ["host=a", "host=c"]
    assert (roster.series_ids.tolist(), roster.members.tolist(), roster.is_overflowing) == ([10, 12, 13], [0, 1, 0], True)
    assert not enroll(given, ("host",), FleetContract(max_cardinality=4)).is_overflowing


def newest(roster: Roster, *points: tuple[int, int, float]) -> Newest:
    columns = list(zip(*points, strict=True)) or [(), (), ()]
    return find_newest(roster, np.array(columns[0], np.int64), np.array(columns[1], np.int64), np.array(columns[2], np.float64))


def test_find_newest_takes_the_newest_of_all_series_of_a_member() -> None:
    """Of series that fall on one member and time the one that was registered first counts."""
    roster = enroll(series({"host": "a"}, {"host": "b"}, {"host": "a", "x": "1"}, {"host": "c"}), ("host",), FleetContract())
    found = newest(roster, (10, 1000, 1.0), (10, 2000, 2.0), (11, 500, 3.0), (12, 2000, 4.0), (12, 1500, 5.0))
    assert (found.members.tolist(), found.times_ms.tolist(), found.values.tolist()) == ([0, 1], [2000, 500], [2.0, 3.0])
    assert found.since(500).members.tolist() == [0]
    assert newest(roster).members.tolist() == []
