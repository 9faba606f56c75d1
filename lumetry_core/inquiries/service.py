"""The verbs of inquiries."""

from datetime import datetime

from lumetry_core.access.service.audit import storable
from lumetry_core.access.service.holders import find_holders
from lumetry_core.access.service.organizations import list_organization_ids
from lumetry_core.inquiries import store
from lumetry_core.inquiries.model import KEPT, MAX_ADDRESS, MAX_USER_AGENT, Inquiry, InquiryDraft, read_inquiry
from lumetry_core.notices.model import MAX_TITLE, NoticeDraft, NoticeKind, NoticeSeverity
from lumetry_core.notices.service import notify
from lumetry_core.runtime.caller import Permission
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.identifiers import new_uuid


async def receive(tx: Transaction, draft: InquiryDraft, address: str | None, user_agent: str | None, now: datetime) -> Inquiry:
    """Stores an inquiry and tells those who manage users in the deployment's first organization. Fails with VALIDATION_FAILED."""
    inquiry = Inquiry(
        id=new_uuid(),
        draft=read_inquiry(draft),
        address=None if address is None else storable(address, MAX_ADDRESS),
        user_agent=None if user_agent is None else storable(user_agent, MAX_USER_AGENT),
        receive_time=now,
    )
    organization_id = await home(tx)
    await store.insert_inquiry(tx, organization_id, inquiry)
    await notify(tx, organization_id, await find_holders(tx, organization_id, Permission.MANAGE_USERS), [describe(inquiry)], now)
    return inquiry


async def list_inquiries(tx: Transaction) -> list[Inquiry]:
    """All inquiries, newest first; for the operator alone."""
    return await store.list_inquiries(tx, await home(tx))


async def drop_old(tx: Transaction, now: datetime) -> None:
    """Deletes inquiries that are past their time."""
    await store.delete_older(tx, await home(tx), now - KEPT)


async def home(tx: Transaction) -> int:
    """The deployment's first organization."""
    return (await list_organization_ids(tx))[0]


def describe(inquiry: Inquiry) -> NoticeDraft:
    """What those who manage users are told of an inquiry."""
    draft = inquiry.draft
    return NoticeDraft(
        kind=NoticeKind.ENTERPRISE_INQUIRY,
        severity=NoticeSeverity.INFO,
        title=storable(f"Inquiry from {draft.name}, {draft.company}", MAX_TITLE),
        body=f"{storable(draft.name, MAX_TITLE)} <{draft.email}> has sent an inquiry. `lumetry inquiries list` shows it.",
        resource_type="enterprise_inquiry",
        resource_id=inquiry.id,
    )
