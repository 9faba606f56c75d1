"""Rows of host agents."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
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
    bindparam,
    func,
    select,
    update,
)

from lumetry_core.hostagents.model import HostAgent, Pack, State, Transport
from lumetry_core.runtime.database import Id, Time, Transaction, metadata
from lumetry_core.runtime.paging import Page
from lumetry_core.runtime.rows import RowStatement, ms_or_none

host_agents = Table(
    "host_agents",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("agent_key", String(36), nullable=False),
    Column("installation_id", String(36), nullable=False),
    Column("profile_id", BigInteger, nullable=False),
    Column("host_id", String(128), nullable=False),
    Column("hostname", String(255), nullable=False),
    Column("name_key", Text, nullable=False),
    Column("search_text", Text, nullable=False),
    Column("os", String(16), nullable=False),
    Column("arch", String(64), nullable=False),
    Column("version", String(64), nullable=False),
    Column("credential_prefix", String(12), nullable=False),
    Column("enroll_time", Time, nullable=False),
    Column("contact_time", Time, nullable=False),
    Column("required_collector_id", String(36)),
    Column("is_enabled", Boolean, nullable=False),
    Column("revoke_time", Time),
    Column("node_id", BigInteger),
    Column("last_seen_time", Time),
    Column("transport", String(16), nullable=False),
    Column("collector_id", String(36)),
    Column("queue_depth", BigInteger, nullable=False),
    Column("dropped_count", BigInteger, nullable=False),
    Column("series_count", BigInteger, nullable=False),
    Column("series_dropped", BigInteger, nullable=False),
    Column("packs", Text, nullable=False),  # JSON, as the next
    Column("detected_software", Text, nullable=False),
    Column("config_revision", Integer, nullable=False),
    Column("config", String(64), nullable=False),
    Column("offline_time", Time),
    UniqueConstraint("organization_id", "installation_id"),
    UniqueConstraint("organization_id", "agent_key"),
    Index("ix_host_agents_organization_id_name_key", "organization_id", "name_key"),
    Index("ix_host_agents_organization_id_contact_time", "organization_id", "contact_time"),
    sqlite_autoincrement=True,
)
SAME = (
    "organization_id",
    "id",
    "installation_id",
    "profile_id",
    "host_id",
    "hostname",
    "os",
    "arch",
    "version",
    "credential_prefix",
    "enroll_time",
    "contact_time",
    "required_collector_id",
    "is_enabled",
    "revoke_time",
    "node_id",
    "last_seen_time",
    "collector_id",
    "queue_depth",
    "dropped_count",
    "series_count",
    "series_dropped",
    "config_revision",
    "config",
    "offline_time",
)
"""Columns that hold a field as it is."""
BEAT = (
    "version",
    "contact_time",
    "last_seen_time",
    "transport",
    "collector_id",
    "queue_depth",
    "dropped_count",
    "series_count",
    "series_dropped",
    "packs",
    "detected_software",
    "config_revision",
    "config",
    "offline_time",
)
"""Columns that heartbeats change, and nothing else does but an enrollment."""
BEAT_KEY = ("this_organization", "this_agent")

pack_decoder = msgspec.json.Decoder(list[tuple[str, int]])
text_decoder = msgspec.json.Decoder(tuple[str, ...])


@dataclass(frozen=True, slots=True)
class Filter:
    """Which agents a list shows; None and empty: all."""

    search: str = ""
    state: State | None = None
    ids: Collection[int] | None = None
    offline_before: datetime | None = None
    """Without contact since then an agent is offline; needed with a state."""


def to_row(agent: HostAgent) -> dict[str, Any]:
    """Model to columns, without the number."""
    return {
        **{name: getattr(agent, name) for name in SAME if name != "id"},
        "agent_key": agent.key,
        "name_key": agent.hostname.lower(),
        "search_text": "\n".join((agent.hostname, agent.host_id, agent.key)).lower(),
        "transport": agent.transport.value,
        "packs": spell_packs(agent.packs),
        "detected_software": msgspec.json.encode(agent.detected_software).decode(),
    }


def to_agent(row: Any) -> HostAgent:  # noqa: ANN401 -- rows carry their columns as attributes
    """Columns to model."""
    same: dict[str, Any] = {name: getattr(row, name) for name in SAME}
    return HostAgent(
        **same,
        key=row.agent_key,
        transport=Transport(row.transport),
        packs=tuple(Pack(*each) for each in pack_decoder.decode(row.packs)),
        detected_software=text_decoder.decode(row.detected_software),
    )


def spell_packs(packs: Sequence[Pack]) -> str:
    """Packs as they are stored."""
    return msgspec.json.encode([(pack.pack_id, pack.version) for pack in packs]).decode()


async def insert_agent(tx: Transaction, agent: HostAgent) -> int | None:
    """Adds an agent, whose own number does not count, and answers the number given to it; None when its installation is enrolled."""
    added = tx.insert(host_agents).on_conflict_do_nothing().returning(host_agents.c.id)
    return (await tx.execute(added, to_row(agent))).scalar_one_or_none()


async def save_agent(tx: Transaction, agent: HostAgent) -> None:
    """Replaces an agent's row."""
    this = (host_agents.c.organization_id == agent.organization_id, host_agents.c.id == agent.id)
    await tx.execute(update(host_agents).where(*this).values(to_row(agent)))


BEAT_UPDATE = RowStatement(
    update(host_agents)
    .where(host_agents.c.organization_id == bindparam(BEAT_KEY[0]), host_agents.c.id == bindparam(BEAT_KEY[1]))
    .values({name: bindparam(f"new_{name}") for name in BEAT}),
    (*(f"new_{name}" for name in BEAT), *BEAT_KEY),
)


async def save_beats(tx: Transaction, agents: Collection[HostAgent]) -> None:
    """Writes what heartbeats changed of agents that the transaction holds."""
    rows = []
    for agent in sorted(agents, key=lambda each: (each.organization_id, each.id)):
        values: Mapping[str, Any] = to_row(agent) | {
            name: ms_or_none(getattr(agent, name)) for name in ("contact_time", "last_seen_time", "offline_time")
        }
        rows.append((*(values[name] for name in BEAT), agent.organization_id, agent.id))
    await BEAT_UPDATE.execute(tx, rows)


async def find_agents(tx: Transaction, organization_id: int, ids: Collection[int], *, lock: bool = False) -> dict[int, HostAgent]:
    """Agents by number; unknown ones are left out.

    Args:
        lock: Keeps others from changing them until the transaction ends.
    """
    if not ids:
        return {}
    found = select(host_agents).where(host_agents.c.organization_id == organization_id, host_agents.c.id.in_(sorted(ids)))
    found = found.order_by(host_agents.c.id)
    rows = await tx.execute(found.with_for_update() if lock else found)
    return {row.id: to_agent(row) for row in rows}


async def find_installation(tx: Transaction, organization_id: int, installation_id: str) -> HostAgent | None:
    """The agent of an installation, which nobody else changes until the transaction ends."""
    found = select(host_agents).where(host_agents.c.organization_id == organization_id, host_agents.c.installation_id == installation_id)
    row = (await tx.execute(found.with_for_update())).one_or_none()
    return None if row is None else to_agent(row)


async def find_by_key(tx: Transaction, organization_id: int, key: str, *, lock: bool = False) -> HostAgent | None:
    """The agent of a UUID.

    Args:
        lock: Keeps others from changing it until the transaction ends.
    """
    found = select(host_agents).where(host_agents.c.organization_id == organization_id, host_agents.c.agent_key == key)
    row = (await tx.execute(found.with_for_update() if lock else found)).one_or_none()
    return None if row is None else to_agent(row)


async def list_agents(tx: Transaction, organization_id: int) -> list[HostAgent]:
    """All agents but revoked ones, by the name of their host."""
    columns = host_agents.c
    found = select(host_agents).where(columns.organization_id == organization_id, columns.revoke_time.is_(None))
    return [to_agent(row) for row in await tx.execute(found.order_by(columns.name_key, columns.id))]


async def list_page(tx: Transaction, organization_id: int, chosen: Filter, part: Page) -> tuple[list[HostAgent], int]:
    """A page of agents by the name of their host, and how many match."""
    conditions = conditions_of(organization_id, chosen)
    total: int = (await tx.execute(select(func.count()).select_from(host_agents).where(*conditions))).scalar_one()
    found = select(host_agents).where(*conditions).order_by(host_agents.c.name_key, host_agents.c.id)
    rows = await tx.execute(found.limit(part.size).offset(part.offset))
    return [to_agent(row) for row in rows], total


def conditions_of(organization_id: int, chosen: Filter) -> list[ColumnElement[bool]]:
    """What a filter asks of rows."""
    columns = host_agents.c
    conditions: list[ColumnElement[bool]] = [columns.organization_id == organization_id]
    if chosen.search:
        conditions.append(columns.search_text.contains(chosen.search.lower(), autoescape=True))
    if chosen.ids is not None:
        conditions.append(columns.id.in_(sorted(chosen.ids)))
    alive, beats = columns.revoke_time.is_(None), columns.contact_time >= chosen.offline_before
    match chosen.state:
        case State.REVOKED:
            conditions.append(~alive)
        case State.DISABLED:
            conditions += [alive, ~columns.is_enabled]
        case State.ONLINE:
            conditions += [alive, columns.is_enabled, beats]
        case State.OFFLINE:
            conditions += [alive, columns.is_enabled, ~beats]
        case None:
            pass
    return conditions


async def list_silent(tx: Transaction, organization_id: int, before: datetime) -> list[HostAgent]:
    """Enabled agents without contact since a time, of which nobody was told."""
    columns = host_agents.c
    found = select(host_agents).where(
        columns.organization_id == organization_id,
        columns.contact_time < before,
        columns.offline_time.is_(None),
        columns.is_enabled,
        columns.revoke_time.is_(None),
    )
    return [to_agent(row) for row in await tx.execute(found.order_by(columns.id))]


async def list_silent_keys(tx: Transaction, organization_id: int, before: datetime) -> list[str]:
    """The UUIDs of enabled agents without contact since a time."""
    columns = host_agents.c
    found = select(columns.agent_key).where(
        columns.organization_id == organization_id, columns.contact_time < before, columns.is_enabled, columns.revoke_time.is_(None)
    )
    return list((await tx.execute(found)).scalars())


async def mark_offline(tx: Transaction, agent: HostAgent, now: datetime) -> bool:
    """Notes that an agent went silent; False when a sign of life has come since it was read, or somebody else was quicker."""
    columns = host_agents.c
    statement = update(host_agents).where(
        columns.organization_id == agent.organization_id,
        columns.id == agent.id,
        columns.offline_time.is_(None),
        columns.is_enabled,
        columns.revoke_time.is_(None),
        columns.contact_time == agent.contact_time,
    )
    return (await tx.execute(statement.values(offline_time=now))).rowcount == 1


async def list_placeable(tx: Transaction, organization_id: int) -> list[HostAgent]:
    """All agents that have a host in the topology, revoked ones included."""
    found = select(host_agents).where(host_agents.c.organization_id == organization_id, host_agents.c.node_id.is_not(None))
    return [to_agent(row) for row in await tx.execute(found)]


async def find_by_keys(tx: Transaction, organization_id: int, keys: Collection[str]) -> dict[str, HostAgent]:
    """Agents by UUID; unknown ones are left out."""
    if not keys:
        return {}
    found = select(host_agents).where(host_agents.c.organization_id == organization_id, host_agents.c.agent_key.in_(sorted(keys)))
    return {row.agent_key: to_agent(row) for row in await tx.execute(found)}
