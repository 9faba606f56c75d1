"""What runs on the hosts of agents.

The newest report of an agent is one row; the rows of its processes are written only when they change, so that reports that say the same
again cost little.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, ColumnElement, Index, Integer, String, Table, Text, and_, case, delete, func, or_, select
from sqlalchemy.dialects import postgresql

from lumetry_core.hostagents.processes import Current, Entry, Identity, Process
from lumetry_core.hostagents.store.monitored import monitored_processes
from lumetry_core.runtime.database import Time, Transaction, metadata
from lumetry_core.runtime.paging import Page

SortText = String(255).with_variant(postgresql.VARCHAR(255, collation="C"), "postgresql")
"""Text that both databases order by code point."""

host_process_reports = Table(
    "host_process_reports",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("agent_id", BigInteger, primary_key=True, autoincrement=False),
    Column("collect_time", Time, nullable=False),
    Column("receive_time", Time, nullable=False),
    Column("usage", Text, nullable=False),  # JSON
)
host_processes = Table(
    "host_processes",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("agent_id", BigInteger, primary_key=True, autoincrement=False),
    Column("executable", SortText, primary_key=True),
    Column("identity", SortText, nullable=False),
    Column("search_text", Text, nullable=False),
    Column("instance_count", Integer, nullable=False),
    Column("first_seen_time", Time, nullable=False),
    Column("gone_time", Time),
    Index("ix_host_processes_organization_id_identity", "organization_id", "identity", "agent_id"),
)

reports, columns = host_process_reports.c, host_processes.c
KEY = ("organization_id", "agent_id", "executable")
usage_decoder = msgspec.json.Decoder(list[tuple[str, float, float, int]])
CHUNK = 500
"""Values in one IN list."""


@dataclass(frozen=True, slots=True)
class Report:
    """The newest report of an agent."""

    collect_time: datetime
    receive_time: datetime
    usage: Sequence[tuple[str, float, float, int]]
    """Executable, processor, memory and bytes."""


@dataclass(frozen=True, slots=True)
class Running:
    """That something runs on the host of an agent, or did a moment ago."""

    identity: str
    agent_id: int
    executable: str


async def find_report(tx: Transaction, organization_id: int, agent_id: int, *, lock: bool = False) -> Report | None:
    """The newest report of an agent.

    Args:
        lock: Keeps others from replacing it until the transaction ends.
    """
    statement = select(host_process_reports).where(reports.organization_id == organization_id, reports.agent_id == agent_id)
    row = (await tx.execute(statement.with_for_update() if lock else statement)).one_or_none()
    return None if row is None else Report(row.collect_time, row.receive_time, usage_decoder.decode(row.usage))


async def write_report(
    tx: Transaction, organization_id: int, agent_id: int, processes: Sequence[Process], collect_time: datetime, now: datetime
) -> None:
    """Replaces the newest report of an agent."""
    usage = [(each.executable, each.cpu_percent, each.memory_percent, each.rss_bytes) for each in processes]
    key = {"organization_id": organization_id, "agent_id": agent_id}
    values = {"collect_time": collect_time, "receive_time": now, "usage": msgspec.json.encode(usage).decode()}
    insert = tx.insert(host_process_reports).values(key | values)
    await tx.execute(insert.on_conflict_do_update(index_elements=list(key), set_=values))


async def list_current(tx: Transaction, organization_id: int, agent_id: int) -> list[Current]:
    """What the newest report says of each executable, ascending."""
    report = await find_report(tx, organization_id, agent_id)
    if report is None:
        return []
    return sorted((Current(*of_one, report.collect_time) for of_one in report.usage), key=lambda current: current.executable)


async def list_entries(tx: Transaction, organization_id: int, agent_id: int) -> list[Entry]:
    """What was seen on the host of an agent, ascending by executable."""
    statement = select(host_processes).where(columns.organization_id == organization_id, columns.agent_id == agent_id)
    rows = await tx.execute(statement.order_by(columns.executable))
    return [Entry(row.executable, row.identity, row.instance_count, row.first_seen_time, row.gone_time) for row in rows]


async def write_entries(tx: Transaction, organization_id: int, agent_id: int, entries: Sequence[Entry]) -> None:
    """Adds or replaces what was seen on the host of an agent."""
    if not entries:
        return
    insert = tx.insert(host_processes)
    changed = {column.name: insert.excluded[column.name] for column in columns if column.name not in KEY}
    rows: list[Mapping[str, Any]] = [
        {
            "organization_id": organization_id,
            "agent_id": agent_id,
            "executable": entry.executable,
            "identity": entry.identity,
            "search_text": entry.identity.casefold(),
            "instance_count": entry.instance_count,
            "first_seen_time": entry.first_seen_time,
            "gone_time": entry.gone_time,
        }
        for entry in entries
    ]
    await tx.execute(insert.on_conflict_do_update(index_elements=KEY, set_=changed), rows)


async def delete_entries(tx: Transaction, organization_id: int, agent_id: int, executables: Collection[str]) -> None:
    """Forgets what was seen on the host of an agent."""
    ordered = sorted(executables)
    for start in range(0, len(ordered), CHUNK):
        this = (columns.organization_id == organization_id) & (columns.agent_id == agent_id)
        await tx.execute(delete(host_processes).where(this, columns.executable.in_(ordered[start : start + CHUNK])))


async def list_identities(
    tx: Transaction, organization_id: int, search: str, fresh_since: datetime, page: Page
) -> tuple[list[Identity], int]:
    """A page of what runs anywhere or is monitored, by identity, and how many match.

    Args:
        search: Part of the identity, ignoring case; empty: all.
        fresh_since: What was seen before does not count.
    """
    watched = monitored_processes.c
    conditions = [columns.organization_id == organization_id]
    others = [watched.organization_id == organization_id]
    if search:
        conditions.append(columns.search_text.contains(search.casefold(), autoescape=True))
        others.append(watched.search_text.contains(search.casefold(), autoescape=True))
    named = select(columns.identity).where(*conditions).union(select(watched.identity).where(*others)).subquery()
    total: int = (await tx.execute(select(func.count()).select_from(named))).scalar_one()
    statement = select(named.c.identity).order_by(named.c.identity).limit(page.size).offset(page.offset)
    names = list((await tx.execute(statement)).scalars())
    found = await count_identities(tx, organization_id, names, fresh_since)
    return [found[name] for name in names], total


async def count_identities(tx: Transaction, organization_id: int, names: Collection[str], fresh_since: datetime) -> dict[str, Identity]:
    """Identities with where and how often they run; those that neither run anywhere nor are monitored are left out."""
    watched = monitored_processes.c
    statement = select(watched.identity, watched.node_id).where(watched.organization_id == organization_id, watched.identity.in_(names))
    nodes = {row.identity: row.node_id for row in await tx.execute(statement)}
    seen = func.coalesce(columns.gone_time, reports.receive_time)
    is_fresh = seen > fresh_since
    counted = (
        select(
            columns.identity,
            func.count(func.distinct(case((is_fresh, columns.agent_id)))).label("hosts"),
            func.coalesce(func.sum(case((is_fresh, columns.instance_count))), 0).label("instances"),
            func.max(seen).label("last_seen"),
        )
        .join(host_process_reports, and_(reports.organization_id == columns.organization_id, reports.agent_id == columns.agent_id))
        .where(columns.organization_id == organization_id, columns.identity.in_(names))
        .group_by(columns.identity)
    )
    found = {name: Identity(name, 0, 0, node_id, None) for name, node_id in nodes.items()}
    for row in await tx.execute(counted):
        found[row.identity] = Identity(row.identity, row.hosts, int(row.instances), nodes.get(row.identity), row.last_seen)
    return found


async def find_running(
    tx: Transaction, organization_id: int, identities: Collection[str], since: datetime, agent_id: int | None = None
) -> list[Running]:
    """Where identities run: in the newest report of an agent, however old, or in one since a time.

    Args:
        agent_id: None: of any agent.
    """
    found: list[Running] = []
    ordered = sorted(identities)
    conditions: list[ColumnElement[bool]] = [
        columns.organization_id == organization_id,
        or_(columns.gone_time.is_(None), columns.gone_time > since),
    ]
    if agent_id is not None:
        conditions.append(columns.agent_id == agent_id)
    for start in range(0, len(ordered), CHUNK):
        statement = select(columns.identity, columns.agent_id, columns.executable)
        rows = await tx.execute(statement.where(*conditions, columns.identity.in_(ordered[start : start + CHUNK])))
        found += [Running(row.identity, row.agent_id, row.executable) for row in rows]
    return found


async def list_silent(tx: Transaction, before: datetime) -> list[tuple[int, int]]:
    """Organization and agent of the newest reports that came before a time."""
    statement = select(reports.organization_id, reports.agent_id).where(reports.receive_time < before)
    return sorted((row.organization_id, row.agent_id) for row in await tx.execute(statement))


async def delete_report(tx: Transaction, organization_id: int, agent_id: int) -> None:
    """Forgets all that an agent reported."""
    for table in (host_processes, host_process_reports):
        await tx.execute(delete(table).where(table.c.organization_id == organization_id, table.c.agent_id == agent_id))
