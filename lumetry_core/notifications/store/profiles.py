"""Profiles, and the integrations that each of them names."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Index,
    Integer,
    Row,
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

from lumetry_core.notifications.definitions import ProfileDefinition
from lumetry_core.notifications.model import Profile
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

profiles = Table(
    "alerting_profiles",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("cooldown_minutes", Integer, nullable=False),
    Column("notify_on_open", Boolean, nullable=False),
    Column("notify_on_escalate", Boolean, nullable=False),
    Column("notify_on_close", Boolean, nullable=False),
    Column("min_severity", String(20), nullable=False),
    Column("create_time", Time, nullable=False),
    Column("update_time", Time, nullable=False),
    UniqueConstraint("organization_id", "name_key"),
    sqlite_autoincrement=True,
)
Index(
    "uq_alerting_profiles_organization_default",
    profiles.c.organization_id,
    unique=True,
    sqlite_where=text("is_default"),
    postgresql_where=text("is_default"),
)
members = Table(
    "alerting_profile_integrations",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("profile_id", BigInteger, primary_key=True, autoincrement=False),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("integration_id", BigInteger, nullable=False),
    Index("ix_alerting_profile_integrations_organization_integration", "organization_id", "integration_id"),
)
SAME = ("is_enabled", "cooldown_minutes", "notify_on_open", "notify_on_escalate", "notify_on_close", "min_severity", "name")
"""Columns that hold a field as it is."""


def name_key(name: str) -> str:
    """What must be unique of a name."""
    return name.lower()


def of(organization_id: int, profile_id: int) -> ColumnElement[bool]:
    """The row of a profile."""
    return and_(profiles.c.organization_id == organization_id, profiles.c.id == profile_id)


def writable(definition: ProfileDefinition) -> dict[str, Any]:
    """The columns that people write, but for the default, which moves."""
    return {name: getattr(definition, name) for name in SAME} | {"name_key": name_key(definition.name)}


async def insert_profile(tx: Transaction, organization_id: int, definition: ProfileDefinition, now: datetime) -> int:
    """Adds a profile that is not the default and answers its number; the name is known to be free."""
    values = writable(definition) | {"organization_id": organization_id, "is_default": False, "create_time": now, "update_time": now}
    number: int = (await tx.execute(profiles.insert().values(values).returning(profiles.c.id))).scalar_one()
    await write_members(tx, organization_id, number, definition.integration_ids)
    return number


async def update_profile(tx: Transaction, organization_id: int, profile_id: int, definition: ProfileDefinition, now: datetime) -> None:
    """Replaces what people write of a profile; the name is known to be free."""
    await tx.execute(update(profiles).where(of(organization_id, profile_id)).values(writable(definition) | {"update_time": now}))
    await write_members(tx, organization_id, profile_id, definition.integration_ids)


async def move_default(tx: Transaction, organization_id: int, profile_id: int | None, now: datetime) -> None:
    """Makes a profile the default in place of the one that was; None: there is none any more."""
    was = and_(profiles.c.organization_id == organization_id, profiles.c.is_default.is_(True))
    await tx.execute(update(profiles).where(was).values(is_default=false(), update_time=now))
    if profile_id is not None:
        await tx.execute(update(profiles).where(of(organization_id, profile_id)).values(is_default=true(), update_time=now))


async def delete_profile(tx: Transaction, organization_id: int, profile_id: int) -> None:
    """Removes a profile."""
    await write_members(tx, organization_id, profile_id, ())
    await tx.execute(delete(profiles).where(of(organization_id, profile_id)))


async def write_members(tx: Transaction, organization_id: int, profile_id: int, integration_ids: tuple[int, ...]) -> None:
    """Replaces the integrations that a profile names."""
    those = and_(members.c.organization_id == organization_id, members.c.profile_id == profile_id)
    await tx.execute(delete(members).where(those))
    common = {"organization_id": organization_id, "profile_id": profile_id}
    rows = [common | {"place": place, "integration_id": number} for place, number in enumerate(integration_ids)]
    if rows:
        await tx.execute(members.insert(), rows)


async def list_profiles(tx: Transaction, organization_id: int) -> list[Profile]:
    """All profiles, ascending by name, ignoring case."""
    rows = await tx.execute(select(profiles).where(profiles.c.organization_id == organization_id))
    # Sorted here, as the two databases order text differently.
    return await with_members(tx, organization_id, sorted(rows, key=lambda row: row.name_key))


async def find_profile(tx: Transaction, organization_id: int, profile_id: int) -> Profile | None:
    """The profile of a number."""
    rows = (await tx.execute(select(profiles).where(of(organization_id, profile_id)))).all()
    return next(iter(await with_members(tx, organization_id, rows, profile_id)), None)


async def has_profile(tx: Transaction, organization_id: int, profile_id: int) -> bool:
    """Whether there is a profile of a number."""
    return (await tx.execute(select(profiles.c.id).where(of(organization_id, profile_id)))).one_or_none() is not None


async def find_default_id(tx: Transaction, organization_id: int) -> int | None:
    """The number of the default profile; None: there is none."""
    statement = select(profiles.c.id).where(profiles.c.organization_id == organization_id, profiles.c.is_default.is_(True))
    number: int | None = (await tx.execute(statement)).scalar_one_or_none()
    return number


async def find_by_name(tx: Transaction, organization_id: int, name: str) -> int | None:
    """The number of the profile with a name, ignoring case."""
    statement = select(profiles.c.id).where(profiles.c.organization_id == organization_id, profiles.c.name_key == name_key(name))
    number: int | None = (await tx.execute(statement)).scalar_one_or_none()
    return number


async def list_users(tx: Transaction, organization_id: int, integration_id: int) -> list[tuple[int, str]]:
    """Number and name of the profiles that name an integration, ascending by number."""
    joined = members.join(profiles, and_(profiles.c.organization_id == members.c.organization_id, profiles.c.id == members.c.profile_id))
    statement = select(profiles.c.id, profiles.c.name).select_from(joined)
    statement = statement.where(members.c.organization_id == organization_id, members.c.integration_id == integration_id)
    return [(row.id, row.name) for row in await tx.execute(statement.order_by(profiles.c.id))]


async def with_members(tx: Transaction, organization_id: int, rows: Sequence[Row[Any]], profile_id: int | None = None) -> list[Profile]:
    """Profiles from their rows; `profile_id` when it is one alone."""
    statement = select(members.c.profile_id, members.c.integration_id).where(members.c.organization_id == organization_id)
    if profile_id is not None:
        statement = statement.where(members.c.profile_id == profile_id)
    named: dict[int, list[int]] = defaultdict(list)
    for row in await tx.execute(statement.order_by(members.c.profile_id, members.c.place)):
        named[row.profile_id].append(row.integration_id)
    return [to_profile(row, tuple(named[row.id])) for row in rows]


def to_profile(row: Any, integration_ids: tuple[int, ...]) -> Profile:  # noqa: ANN401 -- as above
    """A profile from its row."""
    same = {name: getattr(row, name) for name in SAME if name != "min_severity"}
    return Profile(
        **same,
        id=row.id,
        organization_id=row.organization_id,
        is_default=row.is_default,
        min_severity=Severity(row.min_severity),
        integration_ids=integration_ids,
        create_time=row.create_time,
        update_time=row.update_time,
    )
