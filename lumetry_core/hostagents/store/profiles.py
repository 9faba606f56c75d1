"""Rows of enrollment profiles."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, insert, select, update

from lumetry_core.hostagents.model import Profile
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

profiles = Table(
    "agent_enrollment_profiles",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("name", String(100), nullable=False),
    Column("name_key", String(200), nullable=False),
    Column("max_enrollments", Integer, nullable=False),
    Column("enrollment_count", Integer, nullable=False),
    Column("expire_time", Time, nullable=False),
    Column("required_collector_id", String(36)),
    Column("token_prefix", String(12), nullable=False),
    Column("create_time", Time, nullable=False),
    Column("created_by", BigInteger),
    Index("ix_agent_enrollment_profiles_organization_id_name_key", "organization_id", "name_key"),
    sqlite_autoincrement=True,
)
FIELDS = (
    "organization_id",
    "name",
    "max_enrollments",
    "enrollment_count",
    "expire_time",
    "required_collector_id",
    "token_prefix",
    "create_time",
    "created_by",
)


async def insert_profile(tx: Transaction, profile: Profile) -> int:
    """Adds a profile, whose own number does not count, and answers the number given to it."""
    values = {name: getattr(profile, name) for name in FIELDS} | {"name_key": profile.name.lower()}
    number: int = (await tx.execute(insert(profiles).values(values).returning(profiles.c.id))).scalar_one()
    return number


async def set_token_prefix(tx: Transaction, organization_id: int, profile_id: int, prefix: str) -> None:
    """Notes by what people recognise the token."""
    this = (profiles.c.organization_id == organization_id, profiles.c.id == profile_id)
    await tx.execute(update(profiles).where(*this).values(token_prefix=prefix))


async def find_profile(tx: Transaction, organization_id: int, profile_id: int) -> Profile | None:
    """The profile of a number."""
    this = (profiles.c.organization_id == organization_id, profiles.c.id == profile_id)
    row = (await tx.execute(select(profiles).where(*this))).one_or_none()
    return None if row is None else to_profile(row)


async def list_profiles(tx: Transaction, organization_id: int) -> list[Profile]:
    """All profiles, ascending by name."""
    found = select(profiles).where(profiles.c.organization_id == organization_id).order_by(profiles.c.name_key, profiles.c.id)
    return [to_profile(row) for row in await tx.execute(found)]


async def take_place(tx: Transaction, organization_id: int, profile_id: int, now: datetime) -> bool:
    """Counts an enrollment; False, and none is counted, when the profile is full or has expired."""
    columns = profiles.c
    taken = (
        update(profiles)
        .where(
            columns.organization_id == organization_id,
            columns.id == profile_id,
            columns.enrollment_count < columns.max_enrollments,
            columns.expire_time > now,
        )
        .values(enrollment_count=columns.enrollment_count + 1)
    )
    return (await tx.execute(taken)).rowcount == 1


async def give_place_back(tx: Transaction, organization_id: int, profile_id: int) -> None:
    """Takes the count of an enrollment back."""
    this = (profiles.c.organization_id == organization_id, profiles.c.id == profile_id)
    await tx.execute(update(profiles).where(*this).values(enrollment_count=profiles.c.enrollment_count - 1))


def to_profile(row: Any) -> Profile:  # noqa: ANN401 -- rows carry their columns as attributes
    """Columns to model."""
    return Profile(id=row.id, **{name: getattr(row, name) for name in FIELDS})
