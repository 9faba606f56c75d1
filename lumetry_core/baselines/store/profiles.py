"""Baseline profiles, and what refers to them."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    delete,
    false,
    select,
    text,
    true,
    update,
)

from lumetry_core.baselines.model import BaselineProfile, ProfileDefinition, ProfileUse
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

profiles = Table(
    "baseline_profiles",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False),
    Column("lookback_days", Integer, nullable=False),
    Column("minimum_points", Integer, nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("create_time", Time, nullable=False),
    Column("update_time", Time, nullable=False),
    UniqueConstraint("organization_id", "name_key"),
    sqlite_autoincrement=True,
)
Index(
    "uq_baseline_profiles_organization_default",
    profiles.c.organization_id,
    unique=True,
    sqlite_where=text("is_default"),
    postgresql_where=text("is_default"),
)
profile_uses = Table(
    "baseline_profile_uses",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(40), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("profile_id", BigInteger, nullable=False),
    Index("ix_baseline_profile_uses_organization_profile", "organization_id", "profile_id"),
)


def name_key(name: str) -> str:
    """What must be unique of a name."""
    return name.lower()


def of(organization_id: int, profile_id: int) -> ColumnElement[bool]:
    """The row of a profile."""
    return and_(profiles.c.organization_id == organization_id, profiles.c.id == profile_id)


def writable(definition: ProfileDefinition) -> dict[str, Any]:
    """The columns that hold a definition."""
    return {
        "name": definition.name,
        "name_key": name_key(definition.name),
        "lookback_days": definition.lookback_days,
        "minimum_points": definition.minimum_points,
        "time_zone": definition.time_zone,
    }


async def insert_profile(tx: Transaction, organization_id: int, definition: ProfileDefinition, now: datetime) -> int:
    """Adds a profile that is not the default and answers its number; the name is known to be free."""
    values = writable(definition) | {"organization_id": organization_id, "is_default": False, "create_time": now, "update_time": now}
    number: int = (await tx.execute(profiles.insert().values(values).returning(profiles.c.id))).scalar_one()
    return number


async def insert_default(tx: Transaction, organization_id: int, definition: ProfileDefinition, now: datetime) -> int | None:
    """Adds the default profile and answers its number; None, and nothing is added, when there is one already."""
    values = writable(definition) | {"organization_id": organization_id, "is_default": True, "create_time": now, "update_time": now}
    added = tx.insert(profiles).values(values).on_conflict_do_nothing().returning(profiles.c.id)
    number: int | None = (await tx.execute(added)).scalar_one_or_none()
    return number


async def update_profile(tx: Transaction, organization_id: int, profile_id: int, definition: ProfileDefinition, now: datetime) -> None:
    """Replaces a profile's definition; the name is known to be free."""
    await tx.execute(update(profiles).where(of(organization_id, profile_id)).values(writable(definition) | {"update_time": now}))


async def move_default(tx: Transaction, organization_id: int, profile_id: int, now: datetime) -> None:
    """Makes a profile the default in place of the one that was."""
    was = and_(profiles.c.organization_id == organization_id, profiles.c.is_default.is_(True))
    await tx.execute(update(profiles).where(was).values(is_default=false(), update_time=now))
    await tx.execute(update(profiles).where(of(organization_id, profile_id)).values(is_default=true(), update_time=now))


async def delete_profile(tx: Transaction, organization_id: int, profile_id: int) -> None:
    """Removes a profile."""
    await tx.execute(delete(profiles).where(of(organization_id, profile_id)))


async def list_profiles(tx: Transaction, organization_id: int) -> list[BaselineProfile]:
    """All profiles, ascending by name, ignoring case."""
    rows = await tx.execute(select(profiles).where(profiles.c.organization_id == organization_id))
    # Sorted here, as the two databases order text differently.
    return [to_profile(row) for row in sorted(rows, key=lambda row: row.name_key)]


async def find_profile(tx: Transaction, organization_id: int, profile_id: int, *, lock: bool = False) -> BaselineProfile | None:
    """The profile of a number.

    Args:
        lock: Keeps others from changing or claiming it until the writing transaction ends.
    """
    statement = select(profiles).where(of(organization_id, profile_id))
    row = (await tx.execute(statement.with_for_update() if lock else statement)).one_or_none()
    return None if row is None else to_profile(row)


async def find_default(tx: Transaction, organization_id: int) -> BaselineProfile | None:
    """The default profile; None when it has not been needed yet."""
    statement = select(profiles).where(profiles.c.organization_id == organization_id, profiles.c.is_default.is_(True))
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else to_profile(row)


async def find_by_name(tx: Transaction, organization_id: int, name: str) -> int | None:
    """The number of the profile with a name, ignoring case."""
    statement = select(profiles.c.id).where(profiles.c.organization_id == organization_id, profiles.c.name_key == name_key(name))
    number: int | None = (await tx.execute(statement)).scalar_one_or_none()
    return number


async def hold_profile(tx: Transaction, organization_id: int, profile_id: int) -> bool:
    """Keeps a profile from being deleted until the writing transaction ends; False when there is none."""
    statement = select(profiles.c.id).where(of(organization_id, profile_id)).with_for_update(read=True)
    return (await tx.execute(statement)).one_or_none() is not None


async def write_use(tx: Transaction, organization_id: int, use: ProfileUse, profile_id: int) -> None:
    """Notes that something refers to a profile and to no other."""
    values = {"organization_id": organization_id, "kind": use.kind, "number": use.number, "profile_id": profile_id}
    insert = tx.insert(profile_uses).values(values)
    await tx.execute(
        insert.on_conflict_do_update(index_elements=["organization_id", "kind", "number"], set_={"profile_id": insert.excluded.profile_id})
    )


async def delete_use(tx: Transaction, organization_id: int, use: ProfileUse) -> None:
    """Notes that something refers to no profile."""
    this = and_(profile_uses.c.organization_id == organization_id, profile_uses.c.kind == use.kind, profile_uses.c.number == use.number)
    await tx.execute(delete(profile_uses).where(this))


async def list_uses(tx: Transaction, organization_id: int, profile_id: int) -> list[ProfileUse]:
    """What refers to a profile, ascending by kind and number."""
    statement = select(profile_uses.c.kind, profile_uses.c.number).where(
        profile_uses.c.organization_id == organization_id, profile_uses.c.profile_id == profile_id
    )
    rows = await tx.execute(statement.order_by(profile_uses.c.kind, profile_uses.c.number))
    return [ProfileUse(row.kind, row.number) for row in rows]


def to_profile(row: Any) -> BaselineProfile:  # noqa: ANN401 -- rows carry their columns as attributes
    """A profile from its row."""
    return BaselineProfile(
        id=row.id,
        organization_id=row.organization_id,
        name=row.name,
        lookback_days=row.lookback_days,
        minimum_points=row.minimum_points,
        time_zone=row.time_zone,
        is_default=row.is_default,
        create_time=row.create_time,
        update_time=row.update_time,
    )
