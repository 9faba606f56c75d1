from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from lumetry_core.access.store.audit import audit_logs
from lumetry_core.logs.groups import GroupStatus
from lumetry_core.logs.model import Settings
from lumetry_core.logs.service import groups
from lumetry_core.logs.service.groups import GroupQuery, IncidentScope
from lumetry_core.logs.service.handling import ignore_group, reopen_group, resolve_group
from lumetry_core.logs.worker import LogKeeper
from lumetry_core.projects.model import Project
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, Faults, LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.logs.building import Find, Send, make_entry, make_error, read_all, seal_all

OTHER = "00000000-0000-4000-8000-000000000001"


class Desk:
    """Groups by their titles."""

    def __init__(self, database: Database, organization_id: int, clock: FakeClock) -> None:
        self.database = database
        self.organization_id = organization_id
        self.clock = clock

    async def titles(self, scope: IncidentScope | None = None, **query: Any) -> list[str]:
        """Those that a list gives over all its pages."""
        found: list[str] = []
        cursor = ""
        while True:
            async with self.database.read() as tx:
                wanted = GroupQuery(**query, cursor=cursor)
                page = await groups.list_groups(tx, self.organization_id, wanted, self.clock.now(), scope)
            found += [figures.group.title for figures in page.groups]
            cursor = page.next_cursor
            if not cursor:
                return found

    async def ids(self) -> dict[str, int]:
        async with self.database.read() as tx:
            page = await groups.list_groups(tx, self.organization_id, GroupQuery(statuses=("all",)), self.clock.now())
        return {figures.group.title: figures.group.id for figures in page.groups}


@pytest.fixture
async def desk(database: Database, send: Send, project: Project, clock: FakeClock) -> Desk:
    """Four groups: `down` seen thrice and last, `up`, `E: other` of another project and environment, `fatal` long ago."""
    key = Caller(project.organization_id, CredentialKind.LOG_KEY, credential_id=1, project_id=OTHER, environment="staging")
    error = make_error(type="E", message="other", stack_trace=["    at f (/a/b/Deep.js:1:2)"])
    await send(*[make_entry("down", seconds, 4, traces=("t-1", None, None)) for seconds in (-300, -200, 0)])
    await send(make_entry("up", -100, 5, environment="eu"), make_entry("fatal", -7200, 5))
    await send(make_entry("other", -50, 4, error=error), by=key)
    await read_all(database, project.organization_id)
    return Desk(database, project.organization_id, clock)


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ({}, ["down", "E: other", "up", "fatal"]),
        ({"limit": 1}, ["down", "E: other", "up", "fatal"]),
        ({"sort": "first_seen", "limit": 1}, ["E: other", "up", "down", "fatal"]),
        ({"sort": "count", "limit": 2}, ["down", "E: other", "fatal", "up"]),
        ({"levels": ("fatal",)}, ["up", "fatal"]),
        ({"environment": "eu"}, ["up"]),
        ({"environment": "e"}, []),
        ({"environment": "EU"}, []),
        ({"environment": "staging"}, ["E: other"]),
        ({"project": "default"}, ["down", "up", "fatal"]),
        ({"project": "gone"}, []),
        ({"q": "OTH"}, ["E: other"]),
        ({"q": "deep.JS"}, ["E: other"]),
        ({"q": "%"}, []),
        ({"statuses": ("resolved", "ignored")}, []),
        ({"statuses": ("all",), "is_regressed": False, "limit": 3}, ["down", "E: other", "up", "fatal"]),
        ({"is_regressed": True}, []),
        ({"incident_id": 7}, []),
    ],
)
async def test_list(desk: Desk, query: dict[str, Any], titles: list[str]) -> None:
    """Filters all hold; pages go on where the one before ended; an incident or project that does not exist has no groups."""
    assert sorted(await desk.titles(**query)) == sorted(titles)
    if query.get("sort") != "count":  # equal counts stand by id, which depends on the order of reading
        assert await desk.titles(**query) == titles


async def test_list_by_time_of_the_last_entry(desk: Desk) -> None:
    """The end is not included."""
    now = desk.clock.now()
    assert await desk.titles(start_time=now - timedelta(seconds=100), end_time=now) == ["E: other", "up"]


async def test_list_with_faults(desk: Desk) -> None:
    """Every parameter that is wrong is named, a cursor of another list as well."""
    async with desk.database.read() as tx:
        cursor = (await groups.list_groups(tx, desk.organization_id, GroupQuery(limit=1), desk.clock.now())).next_cursor
        query = GroupQuery(statuses=("new",), levels=("loud",), q="x" * 513, sort="name", limit=0, cursor=cursor)
        with pytest.raises(LumetryError) as raised:
            await groups.list_groups(tx, desk.organization_id, query, desk.clock.now())
    assert (raised.value.reason, [fault.path for fault in raised.value.faults]) == (
        Reason.VALIDATION_FAILED,
        ["status", "level", "q", "sort", "limit", "cursor"],
    )


async def test_group_with_samples(desk: Desk, send: Send) -> None:
    """The last ten entries, newest first, whether their blocks are sealed or not."""
    await send(*[make_entry("down", number + 1, 4, {"n": number}) for number in range(12)], make_entry("up", 99, 5))
    await read_all(desk.database, desk.organization_id)
    group_id = (await desk.ids())["down"]
    for _ in range(2):
        async with desk.database.read() as tx:
            samples = await groups.list_samples(tx, desk.organization_id, group_id)
        assert [entry.metadata for entry in samples] == [b'{"n":%d}' % number for number in range(11, 1, -1)]
        assert {entry.group_id for entry in samples} == {group_id}
        await seal_all(desk.database, desk.organization_id)


async def test_group_of_another_organization(desk: Desk) -> None:
    """It does not exist, for readers and for those who would change it."""
    group_id = (await desk.ids())["down"]
    stranger = Caller(desk.organization_id + 1, CredentialKind.INTERACTIVE, user_name="eve")
    with pytest.raises(LumetryError) as raised:
        async with desk.database.read() as tx:
            await groups.get_group(tx, stranger.organization_id, group_id, desk.clock.now())
    assert raised.value.reason is Reason.NOT_FOUND
    with pytest.raises(LumetryError) as raised:
        async with desk.database.write() as tx:
            await resolve_group(tx, stranger, group_id, None, desk.clock.now())
    assert raised.value.reason is Reason.NOT_FOUND


async def list_actions(database: Database) -> Sequence[str]:
    async with database.read() as tx:
        found = (await tx.execute(audit_logs.select().order_by(audit_logs.c.id))).all()
    return [row.action for row in found if row.action.startswith("LogGroup.")]


async def test_resolve_ignore_reopen(desk: Desk, caller: Caller) -> None:
    """Each sets the status and what belongs to it, and is audited when it changes something; notes stay until another is given."""
    group_id, now = (await desk.ids())["down"], desk.clock.now()
    async with desk.database.write() as tx:
        resolved = (await resolve_group(tx, caller, group_id, "fixed", now)).group
    assert (resolved.status, resolved.resolve_time, resolved.resolved_by, resolved.note) == (GroupStatus.RESOLVED, now, "ann", "fixed")
    desk.clock.advance(seconds=60)
    async with desk.database.write() as tx:
        assert (await resolve_group(tx, caller, group_id, None, desk.clock.now())).group == resolved
    until = desk.clock.now() + timedelta(days=1)
    async with desk.database.write() as tx:
        ignored = (await ignore_group(tx, caller, group_id, "known", until, 5, desk.clock.now(), Faults())).group
    assert (ignored.status, ignored.resolve_time, ignored.resolved_by, ignored.note) == (GroupStatus.IGNORED, None, None, "known")
    assert (ignored.ignore_until, ignored.ignore_count, ignored.ignore_end_count) == (until, 5, 8)
    async with desk.database.write() as tx:
        opened = (await reopen_group(tx, caller, group_id, desk.clock.now())).group
    assert (opened.status, opened.ignore_until, opened.ignore_count, opened.note) == (GroupStatus.OPEN, None, None, "known")
    assert await list_actions(desk.database) == ["LogGroup.Resolved", "LogGroup.Ignored", "LogGroup.Reopened"]


async def test_ignore_until_a_time_that_passes(desk: Desk, caller: Caller) -> None:
    """The group is open from then on, though no entry has come."""
    group_id = (await desk.ids())["down"]
    async with desk.database.write() as tx:
        await ignore_group(tx, caller, group_id, None, desk.clock.now() + timedelta(hours=1), None, desk.clock.now(), Faults())
    assert ("down" in await desk.titles(), await desk.titles(statuses=("ignored",))) == (False, ["down"])
    desk.clock.advance(hours=1)
    assert ("down" in await desk.titles(), await desk.titles(statuses=("ignored",))) == (True, [])
    async with desk.database.read() as tx:
        assert (await groups.get_group(tx, desk.organization_id, group_id, desk.clock.now())).group.status is GroupStatus.OPEN


async def test_ignore_with_faults(desk: Desk, caller: Caller) -> None:
    """All are named and nothing is changed."""
    group_id, now = (await desk.ids())["down"], desk.clock.now()
    with pytest.raises(LumetryError) as raised:
        async with desk.database.write() as tx:
            await ignore_group(tx, caller, group_id, "x" * 2001, now, 0, now, Faults())
    assert raised.value.faults == (
        Fault("note", "must have at most 2000 characters"),
        Fault("until", "must be in the future"),
        Fault("until_count", f"must be between 1 and {2**53 - 1}"),
    )
    assert "down" in await desk.titles()


async def test_groups_of_an_incident(desk: Desk, project: Project) -> None:
    """Those that its alerts name, and those of its time that share a trace or a project with it; by time alone where nothing is known."""
    ids, now = await desk.ids(), desk.clock.now()
    async with desk.database.write() as tx:
        await groups.link_alerts(tx, desk.organization_id, [(ids["down"], 70), (ids["fatal"], 71)])
        await groups.link_alerts(tx, desk.organization_id, [(ids["down"], 70)])

    async def titles(start: datetime, *alert_ids: int, project_ids: Sequence[str] = ()) -> list[str]:
        return sorted(await desk.titles(IncidentScope(start, now, alert_ids, project_ids), incident_id=1))

    assert await titles(now - timedelta(minutes=10)) == ["E: other", "down", "up"]
    assert await titles(now - timedelta(minutes=10), 71) == ["fatal"]
    assert await titles(now - timedelta(minutes=10), 71, project_ids=[OTHER]) == ["E: other", "fatal"]
    assert await titles(now - timedelta(minutes=10), 70, project_ids=[OTHER]) == ["E: other", "down"]
    assert await titles(now - timedelta(hours=3), project_ids=[project.id]) == ["down", "fatal", "up"]
    async with desk.database.read() as tx:
        figures = await groups.get_group(tx, desk.organization_id, ids["down"], now)
    assert figures.alert_ids == [70]


async def test_retention_ends_groups(desk: Desk, send: Send, find: Find) -> None:
    """Counts are of entries that are kept, and groups without any end, with all that belongs to them."""
    await send(make_entry("down", -40 * 86_400, 5), make_entry("gone", -40 * 86_400, 4))
    await read_all(desk.database, desk.organization_id)
    ids = await desk.ids()
    async with desk.database.write() as tx:
        await groups.link_alerts(tx, desk.organization_id, [(ids["gone"], 70)])
    keeper = LogKeeper(desk.database, Settings(retention_days=30))
    while await keeper.tick(desk.clock.now()):
        pass
    assert sorted(await desk.ids()) == ["E: other", "down", "fatal", "up"]
    async with desk.database.read() as tx:
        group = (await groups.get_group(tx, desk.organization_id, ids["down"], desk.clock.now())).group
        assert (
            await groups.find_overlapping_scope(tx, desk.organization_id, IncidentScope(desk.clock.now(), desk.clock.now(), [70], ["x"]))
            == set()
        )
    assert (group.count, dict(group.levels)) == (3, {4: 3})
