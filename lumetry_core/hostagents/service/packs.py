"""Reads and decides how rule packs are used."""

from collections.abc import Collection, Mapping
from datetime import datetime

from lumetry_core.access.service.audit import record_audit
from lumetry_core.hostagents.packs import PACKS, Usage, UsedPack, WantedPack, check_usage, choose_packs, revision_of_usage
from lumetry_core.hostagents.store import packs as store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import not_found

ENTITY = "AgentRulePack"


async def list_packs(tx: Transaction, organization_id: int) -> list[UsedPack]:
    """All packs, ascending by identity."""
    usages = await store.list_usages(tx, organization_id)
    return [UsedPack(pack, usages.get(pack.id, Usage())) for pack in PACKS.values()]


async def get_pack(tx: Transaction, organization_id: int, pack_id: str, *, lock: bool = False) -> UsedPack:
    """One pack. Fails with NOT_FOUND."""
    pack = PACKS.get(pack_id)
    if pack is None:
        raise not_found("Rule pack", pack_id)
    return UsedPack(pack, (await store.list_usages(tx, organization_id, lock=lock)).get(pack_id, Usage()))


async def update_pack(tx: Transaction, caller: Caller, pack_id: str, usage: Usage, now: datetime) -> UsedPack:
    """Decides how a pack is used; agents follow with their next heartbeat. What it is already changes nothing.

    Fails with NOT_FOUND, VALIDATION_FAILED.
    """
    before = await get_pack(tx, caller.organization_id, pack_id, lock=True)
    after = UsedPack(before.pack, check_usage(usage))
    if after == before:
        return before
    await store.write_usage(tx, caller.organization_id, pack_id, after.usage)
    await record_audit(tx, caller, f"{ENTITY}.Updated", ENTITY, pack_id, now, revision_of_usage(before), revision_of_usage(after))
    return after


async def wanted_packs(tx: Transaction, organization_id: int, os: str, detected_software: Collection[str]) -> list[WantedPack]:
    """The packs that an agent is to use, ascending by identity. For many agents in one transaction the store is asked once."""
    key = ("hostagents.packs", organization_id)
    usages: Mapping[str, Usage] | None = tx.remembered.get(key)
    if usages is None:
        usages = tx.remembered[key] = await store.list_usages(tx, organization_id)
    return choose_packs(usages, os, detected_software)
