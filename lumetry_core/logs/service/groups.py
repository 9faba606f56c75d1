"""Finding error groups: lists, single ones with samples, what belongs to alerts and incidents (contract logs 7.6)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta

from lumetry_core.logs import group_cursor
from lumetry_core.logs.groups import GroupFigures, GroupStatus, LogGroup, as_of
from lumetry_core.logs.model import LEVELS, RANK_OF, StoredEntry
from lumetry_core.logs.query import Request
from lumetry_core.logs.service.reading import search_logs
from lumetry_core.logs.store import group_alerts as alerts_store
from lumetry_core.logs.store import group_hours as hours_store
from lumetry_core.logs.store import groups as store
from lumetry_core.logs.store.groups import SORTS, GroupFilter
from lumetry_core.projects.service import find_project
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, not_found

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
MAX_Q = 512
ALL = "all"
SHOWN_HOURS = 24
SAMPLES = 10
MAX_OVERLAPPING = 200
MAX_SHARED_TRACES = 50
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupQuery:
    """What people ask for, unchecked; None and empty: not given."""

    statuses: tuple[str, ...] = ()
    """Empty: open ones."""
    project: str | None = None
    """UUID or slug."""
    environment: str | None = None
    levels: tuple[str, ...] = ()
    q: str = ""
    is_regressed: bool | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    incident_id: int | None = None
    sort: str = ""
    limit: int | None = None
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class IncidentScope:
    """What is known of an incident to find the groups that have to do with it."""

    start_time: datetime
    end_time: datetime
    alert_ids: Sequence[int] = ()
    """Its present and past members."""
    project_ids: Sequence[str] = ()
    """Of what it affects."""


@dataclass(frozen=True, slots=True)
class GroupPage:
    """Groups in order, and the cursor of the next page; empty at the end."""

    groups: Sequence[GroupFigures]
    next_cursor: str


async def list_groups(
    tx: Transaction,
    organization_id: int,
    query: GroupQuery,
    now: datetime,
    scope: IncidentScope | None = None,
    faults: Faults | None = None,
) -> GroupPage:
    """One page of the groups that pass all filters, descending.

    Args:
        scope: Of the incident that the query names; None: it does not exist, and so has no groups.
        faults: Noted while the query was read.

    Fails with VALIDATION_FAILED, OUT_OF_RANGE.
    """
    faults = faults or Faults()
    check(query, faults)
    filters = [str(organization_id), *map(repr, astuple(query)[:-2])]
    after = group_cursor.read_cursor(query.cursor, filters) if query.cursor else None
    faults.check(not query.cursor or after is not None, "cursor", "is not one of this list")
    faults.raise_if_any()
    project = None if query.project is None else await find_project(tx, organization_id, query.project)
    if (query.project is not None and project is None) or (query.incident_id is not None and scope is None):
        return GroupPage((), "")
    limit = query.limit or DEFAULT_LIMIT
    wanted = GroupFilter(
        statuses=statuses_of(query),
        project_id=None if project is None else project.id,
        environment=query.environment,
        levels=frozenset(RANK_OF[level] for level in query.levels),
        text=query.q.casefold(),
        is_regressed=query.is_regressed,
        start_time=query.start_time,
        end_time=query.end_time,
        ids=None if scope is None else frozenset(await find_overlapping_scope(tx, organization_id, scope)),
        sort=query.sort or "last_seen",
        limit=limit + 1,
        after=after,
    )
    found = await store.list_groups(tx, organization_id, wanted, now)
    shown = await add_figures(tx, organization_id, found[:limit], now)
    if len(found) <= limit:
        return GroupPage(shown, "")
    return GroupPage(shown, group_cursor.write_cursor(filters, (value_of(found[limit - 1], wanted.sort), found[limit - 1].id)))


def check(query: GroupQuery, faults: Faults) -> None:
    """Notes what is wrong, under the names of the parameters."""
    names = [status.value for status in GroupStatus]
    faults.check(all(status in (*names, ALL) for status in query.statuses), "status", f"must be one of {', '.join((*names, ALL))}")
    faults.check(all(level in RANK_OF for level in query.levels), "level", f"must be one of {', '.join(LEVELS)}")
    faults.check(len(query.q) <= MAX_Q, "q", f"must have at most {MAX_Q} characters")
    faults.check(query.sort in ("", *SORTS), "sort", f"must be one of {', '.join(SORTS)}")
    faults.check_range(query.limit is None or 1 <= query.limit <= MAX_LIMIT, "limit", f"must be between 1 and {MAX_LIMIT}")


def statuses_of(query: GroupQuery) -> frozenset[GroupStatus]:
    """The statuses asked for; empty: all."""
    if ALL in query.statuses:
        return frozenset()
    return frozenset(map(GroupStatus, query.statuses)) or frozenset({GroupStatus.OPEN})


def value_of(group: LogGroup, sort: str) -> int:
    """What a group is sorted by, as it is stored."""
    if sort == "count":
        return group.count
    return to_ms(group.first_time if sort == "first_seen" else group.last_time)


async def add_figures(tx: Transaction, organization_id: int, groups: Sequence[LogGroup], now: datetime) -> list[GroupFigures]:
    """Groups as they are now, with their last hours and their alerts."""
    last = int(now.timestamp()) // 3600
    first = last - SHOWN_HOURS + 1
    ids = [group.id for group in groups]
    counts = await hours_store.count_hours(tx, organization_id, ids, first)
    alerts = await alerts_store.find_alerts(tx, organization_id, ids)
    start = now.replace(minute=0, second=0, microsecond=0) - (SHOWN_HOURS - 1) * HOUR
    return [
        GroupFigures(
            as_of(group, now),
            [(start + number * HOUR, counts.get(group.id, {}).get(first + number, 0)) for number in range(SHOWN_HOURS)],
            alerts.get(group.id, ()),
        )
        for group in groups
    ]


async def get_group(tx: Transaction, organization_id: int, group_id: int, now: datetime) -> GroupFigures:
    """One group. Fails with NOT_FOUND."""
    groups = await store.find_groups(tx, organization_id, [group_id])
    if not groups:
        raise not_found("Log group", group_id)
    (figures,) = await add_figures(tx, organization_id, groups, now)
    return figures


async def list_samples(tx: Transaction, organization_id: int, group_id: int) -> Sequence[StoredEntry]:
    """The last entries of a group, newest first."""
    return (await search_logs(tx, organization_id, Request(group_id=group_id, limit=SAMPLES))).entries


async def find_group_ids(tx: Transaction, organization_id: int, keys: Collection[tuple[str, bytes]]) -> Mapping[tuple[str, bytes], int]:
    """The numbers of groups by project and fingerprint; those that no entry was read of yet are left out."""
    return await store.find_ids(tx, organization_id, keys)


async def link_alerts(tx: Transaction, organization_id: int, links: Collection[tuple[int, int]]) -> None:
    """Notes for groups (first) the alerts (second) that were opened or kept open by their entries."""
    await alerts_store.insert_links(tx, organization_id, links)


async def find_overlapping_scope(tx: Transaction, organization_id: int, scope: IncidentScope) -> set[int]:
    """The groups that have to do with an incident: its alerts name them, or they share its time and a project or trace with it."""
    of_alerts = await alerts_store.find_groups_of_alerts(tx, organization_id, scope.alert_ids)
    traces = {trace for group in await store.find_groups(tx, organization_id, of_alerts) for trace in group.trace_ids}
    return await find_overlapping(tx, organization_id, scope.start_time, scope.end_time, scope.project_ids, traces, of_alerts)


async def find_overlapping(
    tx: Transaction,
    organization_id: int,
    start: datetime,
    end: datetime,
    project_ids: Collection[str] = (),
    trace_ids: Collection[str] = (),
    group_ids: Collection[int] = (),
) -> set[int]:
    """Groups with entries between two times, of any of the projects or traces, and the groups named.

    When neither projects, traces nor groups are known, time alone decides.
    """
    if group_ids and not project_ids and not trace_ids:
        return set(group_ids)
    traces = sorted(trace_ids)[:MAX_SHARED_TRACES]
    seen = await hours_store.find_seen(tx, organization_id, start, end, project_ids, traces, MAX_OVERLAPPING)
    return {*seen, *group_ids}
