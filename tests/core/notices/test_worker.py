from datetime import timedelta

from lumetry_core.notices.worker import INTERVAL, NoticeKeeper
from lumetry_core.runtime.database import Database, Transaction
from tests.conftest import FakeClock
from tests.core.notices.people import read_inbox
from tests.core.notices.test_service import SYSTEM, write


async def list_organizations(_tx: Transaction) -> list[int]:
    return [7, 8]


async def test_tick_drops_what_is_old_in_every_organization(database: Database, clock: FakeClock) -> None:
    """Old notices go when it is time to look, and not before."""
    keeper = NoticeKeeper(database, list_organizations)
    assert await keeper.tick(clock.now()) is False
    for organization_id in (7, 8):
        await write(database, clock, SYSTEM, organization_id=organization_id)
    started = clock.now()
    old = clock.advance(days=91)
    assert await keeper.tick(started + INTERVAL - timedelta(seconds=1)) is False
    assert len(await read_inbox(database, 7, 3)) == 1
    assert await keeper.tick(old) is False
    assert (await read_inbox(database, 7, 3), await read_inbox(database, 8, 3)) == ([], [])
