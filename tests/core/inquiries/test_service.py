from datetime import timedelta

import pytest

from lumetry_core.access.model import User
from lumetry_core.access.service.organizations import bootstrap, create_organization
from lumetry_core.inquiries import service
from lumetry_core.inquiries.model import Inquiry, InquiryDraft
from lumetry_core.inquiries.worker import InquiryKeeper
from lumetry_core.notices.model import NoticeDraft, NoticeKind, NoticeSeverity
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError
from tests.conftest import FakeClock
from tests.core.inquiries.test_model import ADA
from tests.core.notices.people import add_person, read_inbox


@pytest.fixture
async def admin(database: Database, clock: FakeClock) -> User:
    """The administrator of the first of two organizations."""
    async with database.write() as tx:
        user = await bootstrap(tx, clock.now(), "correct horse battery staple")
        await create_organization(tx, "Second", clock.now())
    assert user is not None
    return user


async def listed(database: Database) -> list[Inquiry]:
    async with database.read() as tx:
        return await service.list_inquiries(tx)


async def test_receive_stores_and_tells_the_first_organization(database: Database, clock: FakeClock, admin: User) -> None:
    """It is kept with time, address and user agent; those who manage users there are told, and nobody else."""
    viewer = await add_person(database, admin.organization_id, "viewer", "Viewer", clock.now())
    stranger = await add_person(database, admin.organization_id + 1, "stranger", "Admin", clock.now())
    sent = InquiryDraft(name="Ada", email="ada@example.com", company="Engines", message="Hello\nthere", country="UK")
    async with database.write() as tx:
        received = await service.receive(tx, sent, "192.0.2.1", "curl\n" + "x" * 300, clock.now())
    assert received == Inquiry(
        id=received.id, draft=sent, address="192.0.2.1", user_agent="curl\ufffd" + "x" * 251, receive_time=clock.now()
    )
    assert await listed(database) == [received]
    [notice] = await read_inbox(database, admin.organization_id, admin.id)
    assert notice.draft == NoticeDraft(
        kind=NoticeKind.ENTERPRISE_INQUIRY,
        severity=NoticeSeverity.INFO,
        title="Inquiry from Ada, Engines",
        body="Ada <ada@example.com> has sent an inquiry. `lumetry inquiries list` shows it.",
        resource_type="enterprise_inquiry",
        resource_id=received.id,
    )
    assert await read_inbox(database, admin.organization_id, viewer) == []
    assert await read_inbox(database, admin.organization_id + 1, stranger) == []


async def test_receive_refuses_faults(database: Database, clock: FakeClock, admin: User) -> None:
    """Nothing is stored or told of what is not valid."""
    with pytest.raises(LumetryError):
        async with database.write() as tx:
            await service.receive(tx, InquiryDraft(name="Ada"), None, None, clock.now())
    assert (await listed(database), await read_inbox(database, admin.organization_id, admin.id)) == ([], [])


@pytest.mark.usefixtures("admin")
async def test_keeper_drops_inquiries_after_400_days(database: Database, clock: FakeClock) -> None:
    """An inquiry is kept for 400 days; the keeper looks every hour."""
    async with database.write() as tx:
        await service.receive(tx, ADA, None, None, clock.now())
        young = await service.receive(tx, ADA, None, None, clock.now() + timedelta(minutes=2))
    keeper = InquiryKeeper(database)
    assert await keeper.tick(clock.advance(days=400)) is False
    assert len(await listed(database)) == 2
    await keeper.tick(clock.advance(minutes=1))
    assert len(await listed(database)) == 2
    await keeper.tick(clock.advance(minutes=59))
    assert await listed(database) == []
    assert young.receive_time < clock.now()
