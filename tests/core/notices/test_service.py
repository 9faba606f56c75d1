from dataclasses import replace

import pytest
from sqlalchemy import func, select

from lumetry_core.notices import service
from lumetry_core.notices.model import MAX_PER_USER, Inbox, Notice, NoticeDraft, NoticeKind, NoticePage, NoticeSeverity
from lumetry_core.notices.store import notices
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.notices.people import read_inbox

INBOX = Inbox(7, 3)
OPENED = NoticeDraft(
    kind=NoticeKind.INCIDENT_OPENED,
    severity=NoticeSeverity.CRITICAL,
    title="Incident INC-000012 opened",
    body="by alert 7",
    resource_type="incident",
    resource_id="12",
    link="/incidents/12",
)
SYSTEM = NoticeDraft(kind=NoticeKind.SYSTEM, severity=NoticeSeverity.WARNING, title="Evaluation lags behind")


async def write(
    database: Database, clock: FakeClock, *drafts: NoticeDraft, users: tuple[int, ...] = (3,), organization_id: int = 7
) -> None:
    async with database.write() as tx:
        await service.notify(tx, organization_id, users, drafts, clock.now())


async def read(database: Database, inbox: Inbox = INBOX, **filters: object) -> NoticePage:
    asked = {"only_unread": False, "kinds": (), "severity": "", "limit": None, "cursor": ""} | filters
    async with database.read() as tx:
        return await service.list_notices(tx, inbox, **asked)  # type: ignore[arg-type]


async def test_notify_writes_a_notice_for_each_user(database: Database, clock: FakeClock) -> None:
    """Each has one of their own, newest first in the list, with everything that the draft told; nobody else has any."""
    await write(database, clock, OPENED, SYSTEM, users=(3, 4, 3))
    own, other = await read(database), await read(database, Inbox(7, 4))
    ids = [notice.id for notice in (*own.notices, *other.notices)]
    assert len(set(ids)) == 4
    assert own == NoticePage((Notice(ids[0], 3, SYSTEM, clock.now()), Notice(ids[1], 3, OPENED, clock.now())), "", 2)
    assert [notice.draft for notice in other.notices] == [SYSTEM, OPENED]
    assert (await read(database, Inbox(7, 5)), await read(database, Inbox(8, 3))) == (NoticePage((), "", 0),) * 2


async def test_notify_cuts_long_texts(database: Database, clock: FakeClock) -> None:
    """What is too long for the inbox loses its end."""
    await write(database, clock, replace(SYSTEM, title="t" * 301, body="b" * 2001))
    [notice] = await read_inbox(database, 7, 3)
    assert (notice.draft.title, notice.draft.body) == ("t" * 300, "b" * 2000)


async def test_list_notices_by_filters(database: Database, clock: FakeClock) -> None:
    """Filters narrow the list, alone and together; the count of what is not read is that of the whole inbox."""
    await write(database, clock, OPENED, SYSTEM, replace(OPENED, severity=NoticeSeverity.WARNING))
    [first, system, third] = await read_inbox(database, 7, 3)
    async with database.write() as tx:
        await service.mark(tx, INBOX, first.id, clock.now(), read=True)

    async def ids(**filters: object) -> list[str]:
        page = await read(database, **filters)
        assert page.unread_count == 2
        return [notice.id for notice in page.notices]

    assert await ids(only_unread=True) == [third.id, system.id]
    assert await ids(kinds=("incident_opened",)) == [third.id, first.id]
    assert await ids(kinds=("incident_opened", "system")) == [third.id, system.id, first.id]
    assert await ids(severity="warning") == [third.id, system.id]
    assert await ids(only_unread=True, kinds=("incident_opened",), severity="warning") == [third.id]


async def test_list_notices_by_pages(database: Database, clock: FakeClock) -> None:
    """Pages show each notice once, whatever is written, read or deleted meanwhile; a cursor belongs to its filters."""
    await write(database, clock, *[replace(SYSTEM, title=str(number)) for number in range(5)])
    first = await read(database, limit=2)
    await write(database, clock, SYSTEM)
    async with database.write() as tx:
        await service.delete(tx, INBOX, first.notices[1].id)
    second = await read(database, limit=2, cursor=first.next_cursor)
    third = await read(database, limit=2, cursor=second.next_cursor)
    pages = [[notice.draft.title for notice in page.notices] for page in (first, second, third)]
    assert (pages, third.next_cursor) == ([["4", "3"], ["2", "1"], ["0"]], "")
    with pytest.raises(LumetryError) as refused:
        await read(database, only_unread=True, cursor=first.next_cursor)
    assert refused.value.faults == (Fault("cursor", "is not one of this list"),)


async def test_list_notices_names_every_fault(database: Database) -> None:
    """Unknown words and numbers out of range are told together; ranges alone are told as such."""
    with pytest.raises(LumetryError) as refused:
        await read(database, kinds=("system", "rumour"), severity="grave", cursor="x", limit=0)
    assert refused.value.reason is Reason.VALIDATION_FAILED
    assert [fault.path for fault in refused.value.faults] == ["kind", "severity", "cursor", "limit"]
    with pytest.raises(LumetryError) as refused:
        await read(database, limit=201)
    assert (refused.value.reason, refused.value.faults) == (Reason.OUT_OF_RANGE, (Fault("limit", "must be between 1 and 200"),))


async def test_hidden_notices_do_not_exist(database: Database, clock: FakeClock) -> None:
    """A notice about a private project of somebody else is neither listed nor counted, read, marked or deleted."""
    private = replace(SYSTEM, project_id="00000000-0000-4000-8000-000000000001")
    await write(database, clock, private, replace(SYSTEM, project_id="00000000-0000-4000-8000-000000000002"))
    [secret, shown] = await read_inbox(database, 7, 3)
    inbox = replace(INBOX, hidden=frozenset({private.project_id or ""}))
    assert await read(database, inbox) == NoticePage((shown,), "", 1)
    async with database.write() as tx:
        for verb in (service.get_notice(tx, inbox, secret.id), service.delete(tx, inbox, secret.id)):
            with pytest.raises(LumetryError, match="Notification not found"):
                await verb
        assert await service.mark_all(tx, inbox, None, clock.now()) == (1, 0)
    assert (await read_inbox(database, 7, 3))[0].read_time is None


async def test_mark_changes_the_users_own_alone(database: Database, clock: FakeClock) -> None:
    """Marking is repeatable, keeps the first time and can be undone; a notice of another user or organization is not there."""
    await write(database, clock, SYSTEM)
    [notice] = await read_inbox(database, 7, 3)
    first = clock.advance(minutes=1)
    async with database.write() as tx:
        assert await service.mark(tx, INBOX, notice.id, first, read=True) == replace(notice, read_time=first)
        assert await service.mark(tx, INBOX, notice.id, clock.advance(minutes=1), read=True) == replace(notice, read_time=first)
        assert await service.get_notice(tx, INBOX, notice.id) == replace(notice, read_time=first)
        assert await service.mark(tx, INBOX, notice.id, clock.now(), read=False) == notice
        for inbox in (Inbox(7, 4), Inbox(8, 3)):
            for verb in (
                service.get_notice(tx, inbox, notice.id),
                service.mark(tx, inbox, notice.id, clock.now(), read=True),
                service.delete(tx, inbox, notice.id),
            ):
                with pytest.raises(LumetryError) as refused:
                    await verb
                assert refused.value.reason is Reason.NOT_FOUND
    assert await read_inbox(database, 7, 3) == [notice]


async def test_mark_all_up_to_a_time(database: Database, clock: FakeClock) -> None:
    """What was written before the time is marked, the rest only without one; others' notices stay as they are."""
    await write(database, clock, SYSTEM, users=(3, 4))
    later = clock.advance(minutes=1)
    await write(database, clock, OPENED)
    async with database.write() as tx:
        assert await service.mark_all(tx, INBOX, later, later) == (1, 1)
        assert await service.mark_all(tx, INBOX, None, later) == (1, 0)
        assert await service.mark_all(tx, INBOX, None, later) == (0, 0)
    assert (await read(database, Inbox(7, 4))).unread_count == 1


async def test_delete_is_final(database: Database, clock: FakeClock) -> None:
    """A notice is gone after it; another time it is not found."""
    await write(database, clock, SYSTEM)
    [notice] = await read_inbox(database, 7, 3)
    async with database.write() as tx:
        await service.delete(tx, INBOX, notice.id)
        with pytest.raises(LumetryError, match="Notification not found"):
            await service.delete(tx, INBOX, notice.id)
    assert await read_inbox(database, 7, 3) == []


async def test_drop_old_after_90_days(database: Database, clock: FakeClock) -> None:
    """What is older than 90 days goes, at most so many at once, and nothing of other organizations."""
    await write(database, clock, SYSTEM, OPENED)
    await write(database, clock, SYSTEM, organization_id=8)
    clock.advance(milliseconds=1)
    await write(database, clock, replace(SYSTEM, title="young"))
    now = clock.advance(days=90)
    async with database.write() as tx:
        assert [await service.drop_old(tx, 7, 1, now) for _ in range(3)] == [True, True, False]
    assert [notice.draft.title for notice in await read_inbox(database, 7, 3)] == ["young"]
    assert len(await read_inbox(database, 8, 3)) == 1


async def test_drop_old_keeps_a_thousand(database: Database, clock: FakeClock) -> None:
    """Of too many the oldest read ones go first, then the oldest; others' inboxes are not looked at."""
    await write(database, clock, *[replace(SYSTEM, title=str(number)) for number in range(MAX_PER_USER + 3)])
    await write(database, clock, SYSTEM, users=(4,))
    async with database.write() as tx:
        rows = await tx.execute(select(notices.c.notice_id).where(notices.c.title.in_(["10", "20"])))
        for notice_id in rows.scalars().all():
            await service.mark(tx, INBOX, notice_id, clock.now(), read=True)
        assert await service.drop_old(tx, 7, 1000, clock.now()) is False
        left = (await tx.execute(select(notices.c.title).where(notices.c.user_id == 3))).scalars().all()
        assert set(map(str, range(MAX_PER_USER + 3))) - set(left) == {"0", "10", "20"}
        assert (await tx.execute(select(func.count()).select_from(notices).where(notices.c.user_id == 4))).scalar_one() == 1
