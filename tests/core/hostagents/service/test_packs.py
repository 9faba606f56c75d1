import pytest

from lumetry_core.access.service.history import list_revisions
from lumetry_core.hostagents.packs import PACKS, Usage, UsedPack, choose_packs
from lumetry_core.hostagents.service.packs import get_pack, list_packs, update_pack, wanted_packs
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.hostagents.fleet import ADMIN, ORGANIZATION
from tests.core.hostagents.making import read_actions

USAGE = Usage(is_enabled=False, interval_seconds=30, always_collect=("cron", "sshd"))


async def test_update_pack_decides_for_one_organization(database: Database, clock: FakeClock) -> None:
    """Others go on as before; every pack is listed, whether anything was decided about it or not."""
    async with database.write() as tx:
        changed = await update_pack(tx, ADMIN, "process", Usage(False, 30, ("sshd", "cron")), clock.now())
        assert changed == UsedPack(PACKS["process"], USAGE) == await get_pack(tx, ORGANIZATION, "process")
        expected = [UsedPack(pack, USAGE if pack.id == "process" else Usage()) for pack in PACKS.values()]
        assert await list_packs(tx, ORGANIZATION) == expected
        assert await get_pack(tx, ORGANIZATION + 1, "process") == UsedPack(PACKS["process"], Usage())
        again = await update_pack(tx, ADMIN, "process", Usage(), clock.now())
        assert again == UsedPack(PACKS["process"], Usage())


async def test_update_pack_keeps_its_history(database: Database, clock: FakeClock) -> None:
    """Revisions tell what was decided before and after."""
    async with database.write() as tx:
        await update_pack(tx, ADMIN, "process", USAGE, clock.now())
    async with database.read() as tx:
        [revision], total = await list_revisions(tx, ADMIN, "AgentRulePack", "process", 0, 0)
    assert (total, revision.operation) == (1, "Updated")
    assert revision.before_json == '{"packId":"process","enabled":true,"intervalSecondsOverride":null,"alwaysCollectProcesses":[]}'
    assert (
        revision.after_json == '{"packId":"process","enabled":false,"intervalSecondsOverride":30,"alwaysCollectProcesses":["cron","sshd"]}'
    )


async def test_update_pack_to_what_it_is_changes_nothing(database: Database, clock: FakeClock) -> None:
    """Nothing is audited of what stays, neither at first nor later, however it is spelled."""
    for usage, count in ((Usage(), 0), (USAGE, 1), (Usage(False, 30, ("sshd", " cron", "sshd")), 1), (Usage(), 2), (Usage(), 2)):
        async with database.write() as tx:
            await update_pack(tx, ADMIN, "process", usage, clock.now())
        assert await read_actions(database, "AgentRulePack") == ["AgentRulePack.Updated"] * count


async def test_unknown_pack_does_not_exist(database: Database, clock: FakeClock) -> None:
    """Packs are built in; nobody adds one by changing it."""
    async with database.write() as tx:
        with pytest.raises(LumetryError) as caught:
            await update_pack(tx, ADMIN, "never", Usage(True, 1), clock.now())
    assert caught.value.reason is Reason.NOT_FOUND


async def test_wanted_packs_follow_what_is_decided(database: Database, clock: FakeClock) -> None:
    """They are what is chosen by what is stored, asked once in a transaction and anew in the next."""
    async with database.write() as tx:
        assert await wanted_packs(tx, ORGANIZATION, "linux", ["nginx"]) == choose_packs({}, "linux", ["nginx"])
        await update_pack(tx, ADMIN, "process", USAGE, clock.now())
        assert await wanted_packs(tx, ORGANIZATION, "linux", []) == choose_packs({}, "linux", [])
    async with database.read() as tx:
        assert await wanted_packs(tx, ORGANIZATION, "linux", []) == choose_packs({"process": USAGE}, "linux", [])
