"""What is remembered of fleets between ticks: one row for each metric."""

from collections.abc import Collection, Mapping
from datetime import datetime

import msgspec
from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, delete, select, update

from lumetry_core.fleet.model import FleetState, MemberState, OpenAlert, Run
from lumetry_core.metrics.fleet_contract import Analysis
from lumetry_core.runtime.clock import from_ms, to_ms
from lumetry_core.runtime.database import Time, Transaction, metadata

fleet_states = Table(
    "fleet_states",
    metadata,
    Column("organization_id", BigInteger, primary_key=True),
    Column("metric_id", BigInteger, primary_key=True, autoincrement=False),
    Column("partition", Integer, nullable=False),
    Column("tick_time", Time, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Index("ix_fleet_states_organization_partition", "organization_id", "partition"),
)


class MemberRow(msgspec.Struct, array_like=True, frozen=True):
    """A member's state without its names: runs as (ticks, first tick, first time, critical), the alert as (number, critical)."""

    runs: dict[str, tuple[int, int, int, bool]]
    normal_ticks: int
    last_time_ms: int | None
    alert: tuple[int, bool] | None


class StateRow(msgspec.Struct, array_like=True, frozen=True):
    """A metric's state but for its tick."""

    since_ms: int
    fingerprint: str
    is_overflowing: bool
    members: dict[str, MemberRow]


decoder = msgspec.msgpack.Decoder(StateRow)


async def read_states(tx: Transaction, organization_id: int, partitions: Collection[int]) -> dict[int, FleetState]:
    """The states of an organization's metrics on partitions, by metric."""
    columns = fleet_states.c
    statement = select(columns.metric_id, columns.tick_time, columns.payload).where(
        columns.organization_id == organization_id, columns.partition.in_(sorted(partitions))
    )
    return {row.metric_id: unpack(row.tick_time, row.payload) for row in await tx.execute(statement)}


async def read_state(tx: Transaction, organization_id: int, metric_id: int) -> FleetState | None:
    """The state of one metric; None before its first tick."""
    columns = fleet_states.c
    statement = select(columns.tick_time, columns.payload).where(columns.organization_id == organization_id, columns.metric_id == metric_id)
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else unpack(row.tick_time, row.payload)


async def insert_state(tx: Transaction, organization_id: int, metric_id: int, partition: int, state: FleetState) -> bool:
    """Stores the first state of a metric; False, and nothing happens, when there is one."""
    insert = tx.insert(fleet_states).values(
        organization_id=organization_id, metric_id=metric_id, partition=partition, tick_time=from_ms(state.tick_ms), payload=pack(state)
    )
    return (await tx.execute(insert.on_conflict_do_nothing())).rowcount == 1


async def replace_state(tx: Transaction, organization_id: int, metric_id: int, before_ms: int, state: FleetState) -> bool:
    """Stores the state that follows the one of a tick; False, and nothing happens, when that is no longer the newest."""
    columns = fleet_states.c
    statement = (
        update(fleet_states)
        .where(columns.organization_id == organization_id, columns.metric_id == metric_id, columns.tick_time == from_ms(before_ms))
        .values(tick_time=from_ms(state.tick_ms), payload=pack(state))
    )
    return (await tx.execute(statement)).rowcount == 1


async def delete_state(tx: Transaction, organization_id: int, metric_id: int, before_ms: int) -> bool:
    """Forgets a metric whose newest tick is the one given; False when it is another."""
    columns = fleet_states.c
    statement = delete(fleet_states).where(
        columns.organization_id == organization_id, columns.metric_id == metric_id, columns.tick_time == from_ms(before_ms)
    )
    return (await tx.execute(statement)).rowcount == 1


async def list_organization_ids(tx: Transaction) -> list[int]:
    """Organizations of which anything is remembered, ascending."""
    rows = await tx.execute(select(fleet_states.c.organization_id).distinct().order_by(fleet_states.c.organization_id))
    return list(rows.scalars())


def pack(state: FleetState) -> bytes:
    """A state as it is stored."""
    members = {key or "": pack_member(member) for key, member in state.members.items()}
    return msgspec.msgpack.encode(StateRow(state.since_ms, state.fingerprint, state.is_overflowing, members))


def pack_member(member: MemberState) -> MemberRow:
    """A member's state as it is stored."""
    runs = {
        analysis.value: (run.ticks, run.start_tick_ms, run.first_time_ms, run.is_critical) for analysis, run in sorted(member.runs.items())
    }
    alert = None if member.alert is None else (member.alert.id, member.alert.is_critical)
    return MemberRow(runs, member.normal_ticks, member.last_time_ms, alert)


def unpack(tick_time: datetime, payload: bytes) -> FleetState:
    """A state as it was."""
    row = decoder.decode(payload)
    members: Mapping[str | None, MemberState] = {key or None: unpack_member(member) for key, member in row.members.items()}
    return FleetState(to_ms(tick_time), row.since_ms, row.fingerprint, row.is_overflowing, members)


def unpack_member(row: MemberRow) -> MemberState:
    """A member's state as it was."""
    return MemberState(
        runs={Analysis(name): Run(*run) for name, run in row.runs.items()},
        normal_ticks=row.normal_ticks,
        last_time_ms=row.last_time_ms,
        alert=None if row.alert is None else OpenAlert(*row.alert),
    )
