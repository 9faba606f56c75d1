"""Adds and reads tags."""

from datetime import datetime

from lumetry_core.access.service.audit import record_audit
from lumetry_core.hostagents.drafts import is_text
from lumetry_core.hostagents.model import Tag
from lumetry_core.hostagents.store import tags as store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults

ENTITY = "AgentTag"
MAX_NAME = 64


async def list_tags(tx: Transaction, organization_id: int) -> list[tuple[Tag, int]]:
    """All tags by name, each with the number of agents that bear it."""
    return await store.list_tags(tx, organization_id)


async def create_tag(tx: Transaction, caller: Caller, name: str, now: datetime) -> Tag:
    """Adds a tag. Fails with VALIDATION_FAILED (`name`)."""
    faults = Faults()
    kept = name.strip()
    faults.check(is_text(kept, MAX_NAME), "name", f"must have 1 to {MAX_NAME} printable characters")
    faults.raise_if_any()
    number = await store.insert_tag(tx, caller.organization_id, kept)
    if number is None:
        faults.add("name", f"is the one of tag {await store.find_tag_id(tx, caller.organization_id, kept)}")
    faults.raise_if_any()
    tag = Tag(number or 0, kept)
    await record_audit(tx, caller, f"{ENTITY}.Created", ENTITY, tag.id, now, None, {"id": tag.id, "name": tag.name})
    return tag
