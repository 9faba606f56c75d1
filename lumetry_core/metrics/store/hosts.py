"""Hosts that series name."""

from collections.abc import Collection

from sqlalchemy import BigInteger, Column, Table, Text, select

from lumetry_core.metrics.hosts import Host
from lumetry_core.runtime.database import Time, Transaction, metadata

metric_hosts = Table(
    "metric_hosts",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("host_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("os", Text, nullable=False),
    Column("arch", Text, nullable=False),
    Column("collector_id", Text, nullable=False),
    Column("create_time", Time, nullable=False),
)


async def insert_hosts(tx: Transaction, organization_id: int, hosts: Collection[Host]) -> None:
    """Adds those that are new; what a later series says of a known one wins, as far as it says anything."""
    insert = tx.insert(metric_hosts)
    rows = [
        {
            "organization_id": organization_id,
            "host_id": host.host_id,
            "name": host.name,
            "os": host.os,
            "arch": host.arch,
            "collector_id": host.collector_id,
            "create_time": host.create_time,
        }
        for host in sorted(hosts, key=lambda host: host.host_id)
    ]
    # A host whose facts change gets new series, so this is rare.
    changed = insert.on_conflict_do_update(
        index_elements=["organization_id", "host_id"],
        set_={name: insert.excluded[name] for name in ("name", "os", "arch", "collector_id")},
        where=insert.excluded.name != "",
    )
    await tx.execute(changed, rows)


async def list_hosts(tx: Transaction, organization_id: int) -> list[Host]:
    """All hosts of an organization, by id."""
    columns = metric_hosts.c
    statement = select(columns.host_id, columns.name, columns.os, columns.arch, columns.collector_id, columns.create_time)
    rows = await tx.execute(statement.where(columns.organization_id == organization_id).order_by(columns.host_id))
    return [Host(row.host_id, row.name, row.os, row.arch, row.collector_id, row.create_time) for row in rows]
