"""Checks and the chains that they found, in the database."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    delete,
    func,
    select,
)

from lumetry_core.certificates.model import ChainEntry, ChainLink, Check
from lumetry_core.certificates.store.monitors import IDS_PER_STATEMENT, certificate_monitors
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

certificate_checks = Table(
    "certificate_checks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("monitor_id", BigInteger, nullable=False),
    Column("check_time", Time, nullable=False),
    Column("subject_cn", Text, nullable=False),
    Column("issuer_cn", Text, nullable=False),
    Column("issuer_org", Text, nullable=False),
    Column("sans", Text, nullable=False),
    Column("serial_number", String(100), nullable=False),
    Column("signature_algorithm", String(100), nullable=False),
    Column("not_before", Time),
    Column("not_after", Time),
    Column("days_remaining", Integer),
    Column("chain_valid", Boolean),
    Column("chain_error", Text),
    Column("hostname_match", Boolean),
    Column("error_message", Text),
    Column("fingerprint", LargeBinary),
    Index("ix_certificate_checks_monitor", "organization_id", "monitor_id", "id"),
    Index("ix_certificate_checks_time", "organization_id", "check_time"),
    sqlite_autoincrement=True,
)
certificate_chain_entries = Table(
    "certificate_chain_entries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("check_id", BigInteger, nullable=False),
    Column("position", Integer, nullable=False),
    Column("subject_cn", Text, nullable=False),
    Column("issuer_cn", Text, nullable=False),
    Column("not_before", Time, nullable=False),
    Column("not_after", Time, nullable=False),
    Index("ix_certificate_chain_entries_check", "organization_id", "check_id", "position"),
    sqlite_autoincrement=True,
)
columns = certificate_checks.c
entries = certificate_chain_entries.c


async def insert_checks(
    tx: Transaction, organization_id: int, checks: Sequence[Check], chains: Sequence[Sequence[ChainLink]]
) -> list[Check]:
    """Adds checks, whose own numbers do not count, each with its chain; answers them with the numbers given to them."""
    if not checks:
        return []
    statement = certificate_checks.insert().returning(columns.id, sort_by_parameter_order=True)
    ids = (await tx.execute(statement, [write_row(organization_id, check) for check in checks])).scalars().all()
    rows = [
        {"organization_id": organization_id, "check_id": check_id, "position": position, **asdict(link)}
        for check_id, chain in zip(ids, chains, strict=True)
        for position, link in enumerate(chain)
    ]
    if rows:
        await tx.execute(certificate_chain_entries.insert(), rows)
    return [replace(check, id=check_id) for check, check_id in zip(checks, ids, strict=True)]


async def read_checks(tx: Transaction, organization_id: int, ids: Collection[int]) -> dict[int, Check]:
    """Checks by number; unknown ones are left out."""
    found: dict[int, Check] = {}
    ordered = sorted(ids)
    for start in range(0, len(ordered), IDS_PER_STATEMENT):
        part = ordered[start : start + IDS_PER_STATEMENT]
        rows = await tx.execute(
            select(certificate_checks).where(columns.organization_id == organization_id, columns.id.in_(part)).order_by(columns.id)
        )
        found |= {row.id: read_row(row) for row in rows}
    return found


async def list_checks(tx: Transaction, organization_id: int, monitor_id: int, limit: int, offset: int) -> tuple[list[Check], int]:
    """A page of a monitor's checks, the newest first, and how many there are."""
    mine = (columns.organization_id == organization_id, columns.monitor_id == monitor_id)
    total: int = (await tx.execute(select(func.count()).select_from(certificate_checks).where(*mine))).scalar_one()
    rows = await tx.execute(select(certificate_checks).where(*mine).order_by(columns.id.desc()).limit(limit).offset(offset))
    return [read_row(row) for row in rows], total


async def list_chain(tx: Transaction, organization_id: int, check_id: int) -> list[ChainEntry]:
    """The chain that a check found, leaf first."""
    rows = await tx.execute(
        select(certificate_chain_entries)
        .where(entries.organization_id == organization_id, entries.check_id == check_id)
        .order_by(entries.position)
    )
    return [
        ChainEntry(row.id, row.check_id, row.position, ChainLink(row.subject_cn, row.issuer_cn, row.not_before, row.not_after))
        for row in rows
    ]


async def delete_of_monitors(tx: Transaction, organization_id: int, monitor_ids: Collection[int]) -> None:
    """Removes all checks of monitors."""
    mine = select(columns.id).where(columns.organization_id == organization_id, columns.monitor_id.in_(sorted(monitor_ids)))
    await tx.execute(delete(certificate_chain_entries).where(entries.organization_id == organization_id, entries.check_id.in_(mine)))
    await tx.execute(
        delete(certificate_checks).where(columns.organization_id == organization_id, columns.monitor_id.in_(sorted(monitor_ids)))
    )


async def drop_before(tx: Transaction, organization_id: int, before: datetime, limit: int) -> int:
    """Removes some checks older than a time, but never the latest of a monitor; answers how many."""
    latest = select(certificate_monitors.c.latest_check_id).where(
        certificate_monitors.c.organization_id == organization_id, certificate_monitors.c.latest_check_id.is_not(None)
    )
    statement = (
        select(columns.id)
        .where(columns.organization_id == organization_id, columns.check_time < before, columns.id.not_in(latest))
        .order_by(columns.check_time)
        .limit(limit)
    )
    ids = list((await tx.execute(statement)).scalars())
    if ids:
        await tx.execute(delete(certificate_chain_entries).where(entries.organization_id == organization_id, entries.check_id.in_(ids)))
        await tx.execute(delete(certificate_checks).where(columns.organization_id == organization_id, columns.id.in_(ids)))
    return len(ids)


def write_row(organization_id: int, check: Check) -> dict[str, Any]:
    """The columns of a check but its number."""
    values = {name: getattr(check, name) for name in columns.keys() if name not in ("id", "organization_id")}  # noqa: SIM118 -- names
    return values | {"organization_id": organization_id, "sans": msgspec.json.encode(check.sans).decode()}


sans_decoder = msgspec.json.Decoder(tuple[str, ...])
NAMES = tuple(column.name for column in certificate_checks.columns)


def read_row(row: Any) -> Check:  # noqa: ANN401 -- rows are tuples of all columns, in their order
    """A check from its row."""
    values = dict(zip(NAMES, row, strict=True))
    del values["organization_id"]
    values["sans"] = sans_decoder.decode(values["sans"])
    return Check(**values)
