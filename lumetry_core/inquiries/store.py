"""Inquiries in the database."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Index, String, Table, Text, UniqueConstraint, delete, select

from lumetry_core.inquiries.model import MAX_ADDRESS, MAX_EMAIL, MAX_USER_AGENT, Inquiry, InquiryDraft
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

inquiries = Table(
    "inquiries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("inquiry_id", String(36), nullable=False),
    Column("name", String(120), nullable=False),
    Column("email", String(MAX_EMAIL), nullable=False),
    Column("company", String(200), nullable=False),
    Column("message", Text, nullable=False),
    Column("job_title", String(120), nullable=False),
    Column("phone", String(40), nullable=False),
    Column("country", String(80), nullable=False),
    Column("company_size", String(20), nullable=False),
    Column("address", String(MAX_ADDRESS)),
    Column("user_agent", String(MAX_USER_AGENT)),
    Column("receive_time", Time, nullable=False),
    UniqueConstraint("organization_id", "inquiry_id", name="uq_inquiries_organization_id_inquiry_id"),
    Index("ix_inquiries_organization_receive_time", "organization_id", "receive_time"),
    sqlite_autoincrement=True,
)
TEXTS = tuple(InquiryDraft.__dataclass_fields__)


async def insert_inquiry(tx: Transaction, organization_id: int, inquiry: Inquiry) -> None:
    """Adds an inquiry."""
    await tx.execute(
        inquiries.insert().values(
            organization_id=organization_id,
            inquiry_id=inquiry.id,
            **{name: getattr(inquiry.draft, name) for name in TEXTS},
            address=inquiry.address,
            user_agent=inquiry.user_agent,
            receive_time=inquiry.receive_time,
        )
    )


async def list_inquiries(tx: Transaction, organization_id: int) -> list[Inquiry]:
    """All inquiries, newest first."""
    statement = select(inquiries).where(inquiries.c.organization_id == organization_id).order_by(inquiries.c.id.desc())
    return [read_row(row) for row in await tx.execute(statement)]


async def delete_older(tx: Transaction, organization_id: int, before: datetime) -> None:
    """Deletes what was received before a time."""
    await tx.execute(delete(inquiries).where(inquiries.c.organization_id == organization_id, inquiries.c.receive_time < before))


def read_row(row: Any) -> Inquiry:  # noqa: ANN401 -- a row of the table
    """An inquiry from its row."""
    return Inquiry(
        id=row.inquiry_id,
        draft=InquiryDraft(**{name: getattr(row, name) for name in TEXTS}),
        address=row.address,
        user_agent=row.user_agent,
        receive_time=row.receive_time,
    )
