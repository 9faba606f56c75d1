"""Channels with their rules, and which alert was offered to which. What is sealed lies in one column, apart from what readers see."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Index,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    select,
    update,
)
from sqlalchemy import delete as delete_from

from lumetry_core.notifications.channel_definitions import ChannelDefinition
from lumetry_core.notifications.destinations import Channel, ChannelConfig, ChannelRule, ChannelType, split_words
from lumetry_core.notifications.store.deliveries import parts
from lumetry_core.notifications.store.profiles import name_key
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

channels = Table(
    "channels",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False),
    Column("type", String(20), nullable=False),
    Column("url", Text, nullable=False),
    Column("header_names", Text, nullable=False),  # a JSON array
    Column("config", Text, nullable=False),  # a JSON object
    Column("has_secret", Boolean, nullable=False),
    Column("sealed", LargeBinary),
    Column("is_enabled", Boolean, nullable=False),
    Column("is_failing", Boolean, nullable=False),
    Column("last_delivery_time", Time),
    Column("last_error", Text),
    Column("create_time", Time, nullable=False),
    Column("update_time", Time, nullable=False),
    UniqueConstraint("organization_id", "name_key"),
    sqlite_autoincrement=True,
)
channel_rules = Table(
    "channel_rules",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("channel_id", BigInteger, nullable=False),
    Column("sources", Text, nullable=False),  # words separated by commas
    Column("severities", Text, nullable=False),  # as sources
    Column("create_time", Time, nullable=False),
    Index("ix_channel_rules_organization_id_channel_id", "organization_id", "channel_id", "id"),
    sqlite_autoincrement=True,
)
channel_offers = Table(
    "channel_offers",
    metadata,
    Column("organization_id", BigInteger, primary_key=True),
    Column("alert_id", BigInteger, primary_key=True, autoincrement=False),
    Column("channel_id", BigInteger, primary_key=True, autoincrement=False),
)

encode = msgspec.json.encode


def of(organization_id: int, channel_id: int) -> ColumnElement[bool]:
    """The row of a channel."""
    return and_(channels.c.organization_id == organization_id, channels.c.id == channel_id)


def writable(definition: ChannelDefinition, sealed: bytes | None, *, has_secret: bool) -> dict[str, Any]:
    """The columns that people write."""
    return {
        "name": definition.name,
        "name_key": name_key(definition.name),
        "type": definition.type.value,
        "url": definition.url,
        "header_names": encode(definition.header_names).decode(),
        "config": encode(definition.config).decode(),
        "has_secret": has_secret,
        "sealed": sealed,
        "is_enabled": definition.is_enabled,
    }


async def insert_channel(
    tx: Transaction, organization_id: int, definition: ChannelDefinition, sealed: bytes | None, *, has_secret: bool, now: datetime
) -> int:
    """Adds a channel and answers its number; the name is known to be free."""
    values = writable(definition, sealed, has_secret=has_secret)
    values |= {"organization_id": organization_id, "is_failing": False, "create_time": now, "update_time": now}
    number: int = (await tx.execute(channels.insert().values(values).returning(channels.c.id))).scalar_one()
    return number


async def update_channel(
    tx: Transaction,
    organization_id: int,
    channel_id: int,
    definition: ChannelDefinition,
    sealed: bytes | None,
    *,
    has_secret: bool,
    now: datetime,
) -> None:
    """Replaces what people write of a channel; the name is known to be free."""
    values = writable(definition, sealed, has_secret=has_secret) | {"update_time": now}
    await tx.execute(update(channels).where(of(organization_id, channel_id)).values(values))


async def delete_channel(tx: Transaction, organization_id: int, channel_id: int) -> None:
    """Removes a channel, its rules and what it was offered."""
    for table in (channel_rules, channel_offers):
        own = and_(table.c.organization_id == organization_id, table.c.channel_id == channel_id)
        await tx.execute(delete_from(table).where(own))
    await tx.execute(delete_from(channels).where(of(organization_id, channel_id)))


async def find_channel(tx: Transaction, organization_id: int, channel_id: int, *, lock: bool = False) -> Channel | None:
    """The channel of a number.

    Args:
        lock: Keeps others from changing it until the writing transaction ends.
    """
    statement = select(channels).where(of(organization_id, channel_id))
    rows = (await tx.execute(statement.with_for_update() if lock else statement)).all()
    return next(iter(await with_rules(tx, organization_id, rows, channel_id)), None)


async def select_channels(tx: Transaction, organization_id: int) -> list[Channel]:
    """All channels, ascending by number."""
    rows = (await tx.execute(select(channels).where(channels.c.organization_id == organization_id).order_by(channels.c.id))).all()
    return await with_rules(tx, organization_id, rows)


async def lock_free(tx: Transaction, organization_id: int, ids: Collection[int]) -> list[Channel]:
    """Locks the channels that nobody else holds, until the transaction ends, without their rules."""
    statement = select(channels).where(channels.c.organization_id == organization_id, channels.c.id.in_(sorted(ids)))
    rows = await tx.execute(statement.order_by(channels.c.id).with_for_update(skip_locked=True))
    return [to_channel(row, ()) for row in rows]


async def find_by_name(tx: Transaction, organization_id: int, name: str) -> int | None:
    """The number of the channel with a name, ignoring case."""
    statement = select(channels.c.id).where(channels.c.organization_id == organization_id, channels.c.name_key == name_key(name))
    number: int | None = (await tx.execute(statement)).scalar_one_or_none()
    return number


async def touch(tx: Transaction, organization_id: int, channel_id: int, now: datetime) -> None:
    """Notes that a person changed something of a channel."""
    await tx.execute(update(channels).where(of(organization_id, channel_id)).values(update_time=now))


async def note_attempt(
    tx: Transaction, organization_id: int, channel_id: int, *, is_failing: bool, error: str | None, is_enabled: bool, now: datetime
) -> None:
    """Notes how the newest delivery to a channel stands; `is_enabled` False switches it off."""
    values: dict[str, Any] = {"is_failing": is_failing, "last_error": error, "last_delivery_time": now}
    if not is_enabled:
        values["is_enabled"] = False
    await tx.execute(update(channels).where(of(organization_id, channel_id)).values(values))


async def insert_rule(
    tx: Transaction, organization_id: int, channel_id: int, sources: Sequence[str], severities: Sequence[str], now: datetime
) -> ChannelRule:
    """Adds a rule to a channel that exists."""
    values = {"organization_id": organization_id, "channel_id": channel_id, "create_time": now}
    values |= {"sources": ",".join(sources), "severities": ",".join(severities)}
    number: int = (await tx.execute(channel_rules.insert().values(values).returning(channel_rules.c.id))).scalar_one()
    return ChannelRule(number, channel_id, tuple(sources), tuple(severities), now)


async def delete_rule(tx: Transaction, organization_id: int, channel_id: int, rule_id: int) -> None:
    """Removes a rule of a channel."""
    own = and_(channel_rules.c.organization_id == organization_id, channel_rules.c.channel_id == channel_id)
    await tx.execute(delete_from(channel_rules).where(own, channel_rules.c.id == rule_id))


async def with_rules(tx: Transaction, organization_id: int, rows: Sequence[Any], channel_id: int | None = None) -> list[Channel]:
    """Channels from their rows; `channel_id` when it is one alone."""
    if not rows:
        return []
    statement = select(channel_rules).where(channel_rules.c.organization_id == organization_id)
    if channel_id is not None:
        statement = statement.where(channel_rules.c.channel_id == channel_id)
    rules: dict[int, list[ChannelRule]] = defaultdict(list)
    for row in await tx.execute(statement.order_by(channel_rules.c.id)):
        found = ChannelRule(row.id, row.channel_id, split_words(row.sources), split_words(row.severities), row.create_time)
        rules[row.channel_id].append(found)
    return [to_channel(row, tuple(rules[row.id])) for row in rows]


async def read_offers(tx: Transaction, organization_id: int, alert_ids: Collection[int]) -> dict[int, set[int]]:
    """The channels that alerts were offered to."""
    found: dict[int, set[int]] = defaultdict(set)
    for part in parts(alert_ids):
        of_alerts = (channel_offers.c.organization_id == organization_id, channel_offers.c.alert_id.in_(part))
        for row in await tx.execute(select(channel_offers.c.alert_id, channel_offers.c.channel_id).where(*of_alerts)):
            found[row.alert_id].add(row.channel_id)
    return found


async def insert_offers(tx: Transaction, organization_id: int, offers: Collection[tuple[int, int]]) -> None:
    """Notes to which channels alerts were offered, as pairs of alert and channel."""
    if offers:
        rows = [
            {"organization_id": organization_id, "alert_id": alert_id, "channel_id": channel_id} for alert_id, channel_id in sorted(offers)
        ]
        await tx.execute(tx.insert(channel_offers).on_conflict_do_nothing(), rows)


async def delete_offers(tx: Transaction, organization_id: int, alert_ids: Collection[int]) -> None:
    """Forgets to which channels alerts were offered, as they are over."""
    for part in parts(alert_ids):
        of_alerts = (channel_offers.c.organization_id == organization_id, channel_offers.c.alert_id.in_(part))
        await tx.execute(delete_from(channel_offers).where(*of_alerts))


def to_channel(row: Any, rules: tuple[ChannelRule, ...]) -> Channel:  # noqa: ANN401 -- rows carry their columns as attributes
    """A channel from its row."""
    return Channel(
        id=row.id,
        organization_id=row.organization_id,
        name=row.name,
        type=ChannelType(row.type),
        url=row.url,
        header_names=msgspec.json.decode(row.header_names, type=tuple[str, ...]),
        config=msgspec.json.decode(row.config, type=ChannelConfig),
        has_secret=row.has_secret,
        sealed=None if row.sealed is None else bytes(row.sealed),
        is_enabled=row.is_enabled,
        rules=rules,
        is_failing=row.is_failing,
        last_delivery_time=row.last_delivery_time,
        last_error=row.last_error,
        create_time=row.create_time,
        update_time=row.update_time,
    )
