"""Endpoints in the database: what they are, how they are, and when they are checked next."""

from collections import namedtuple
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
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    delete,
    func,
    select,
    update,
)

from lumetry_core.endpoints.model import (
    AlertState,
    Config,
    Endpoint,
    EndpointType,
    Filter,
    Owner,
    Progress,
    Source,
    Status,
)
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

IDS_PER_STATEMENT = 5000

endpoints = Table(
    "endpoints",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("source", String(20), nullable=False),
    Column("name", Text),
    Column("name_key", Text),  # of standalone ones alone
    Column("container_id", BigInteger),
    Column("container_name", Text, nullable=False),
    Column("label_key", Text, nullable=False),
    Column("slot", Text),  # of label ones alone
    Column("external_id", Text, nullable=False),
    Column("orchestration_group", Text),
    Column("orchestration_unit", Text),
    Column("alert_channels", Text, nullable=False),  # a JSON array
    Column("endpoint_type", String(10), nullable=False),
    Column("target", Text, nullable=False),
    Column("interval_seconds", Integer, nullable=False),
    Column("timeout_seconds", Integer, nullable=False),
    Column("failure_threshold", Integer, nullable=False),
    Column("recovery_threshold", Integer, nullable=False),
    Column("method", String(10), nullable=False),
    Column("expected_status", Text, nullable=False),
    Column("tls_verify", Boolean, nullable=False),
    Column("headers", Text, nullable=False),  # a JSON object, secrets masked
    Column("sealed", LargeBinary),
    Column("max_redirects", Integer, nullable=False),
    Column("topology_node_id", BigInteger),
    Column("is_active", Boolean, nullable=False),
    Column("is_paused", Boolean, nullable=False),
    Column("status", String(10), nullable=False),
    Column("alert_state", String(10), nullable=False),
    Column("consecutive_failures", Integer, nullable=False),
    Column("consecutive_successes", Integer, nullable=False),
    Column("last_check_time", Time),
    Column("last_response_ms", Integer),
    Column("last_http_status", Integer),
    Column("last_error", Text),
    Column("recent_ms", Text, nullable=False),  # a JSON array
    Column("first_seen_time", Time, nullable=False),
    Column("last_seen_time", Time, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("due_time", Time),  # while it is claimed: when the claim is void
    Column("planned_time", Time),  # of the claimed check
    UniqueConstraint("organization_id", "name_key"),
    UniqueConstraint("organization_id", "container_id", "slot"),
    Index("ix_endpoints_organization", "organization_id", "id"),
    Index("ix_endpoints_due", "due_time"),
    sqlite_autoincrement=True,
)

columns = endpoints.c
Columns: Any = namedtuple("Columns", columns.keys())  # type: ignore[misc] # noqa: PYI024 -- columns of rows are read by name ten times as fast
json = msgspec.json.Encoder()
channels_decoder = msgspec.json.Decoder(tuple[str, ...])
headers_decoder = msgspec.json.Decoder(dict[str, str])
recent_decoder = msgspec.json.Decoder(tuple[int, ...])


def of(organization_id: int, endpoint_id: int) -> ColumnElement[bool]:
    """The row of an endpoint."""
    return and_(columns.organization_id == organization_id, columns.id == endpoint_id)


def writable(endpoint: Endpoint) -> dict[str, Any]:
    """The columns that tell what an endpoint is."""
    config, owner = endpoint.config, endpoint.owner
    return {
        "name": endpoint.name,
        "name_key": None if endpoint.name is None else name_key(endpoint.name),
        "container_name": owner.container_name,
        "label_key": owner.label_key,
        "external_id": owner.external_id,
        "orchestration_group": owner.orchestration_group,
        "orchestration_unit": owner.orchestration_unit,
        "alert_channels": json.encode(owner.alert_channels).decode(),
        "endpoint_type": config.endpoint_type.value,
        "target": config.target,
        "interval_seconds": config.interval_seconds,
        "timeout_seconds": config.timeout_seconds,
        "failure_threshold": config.failure_threshold,
        "recovery_threshold": config.recovery_threshold,
        "method": config.method,
        "expected_status": config.expected_status,
        "tls_verify": config.tls_verify,
        "headers": json.encode(config.headers).decode(),
        "sealed": endpoint.sealed,
        "max_redirects": config.max_redirects,
        "topology_node_id": endpoint.topology_node_id,
        "is_active": endpoint.is_active,
        "is_paused": endpoint.is_paused,
        "last_seen_time": endpoint.last_seen_time,
    }


def movable(progress: Progress) -> dict[str, Any]:
    """The columns that tell how an endpoint is."""
    return {
        "status": progress.status.value,
        "alert_state": progress.alert_state.value,
        "consecutive_failures": progress.consecutive_failures,
        "consecutive_successes": progress.consecutive_successes,
        "last_check_time": progress.last_check_time,
        "last_response_ms": progress.last_response_ms,
        "last_http_status": progress.last_http_status,
        "last_error": progress.last_error,
        "recent_ms": json.encode(progress.recent_ms).decode(),
    }


def name_key(name: str) -> str:
    """What must be unique of a name."""
    return name.lower()


async def insert_endpoint(tx: Transaction, endpoint: Endpoint, due: datetime | None) -> int:
    """Adds an endpoint, whose own number does not count, and answers the number given to it."""
    values = writable(endpoint) | movable(endpoint.progress)
    values |= {
        "organization_id": endpoint.organization_id,
        "source": endpoint.source.value,
        "container_id": endpoint.owner.container_id,
        "slot": endpoint.owner.slot or None,
        "first_seen_time": endpoint.first_seen_time,
        "epoch": endpoint.epoch,
        "due_time": due,
        "planned_time": None,
    }
    number: int = (await tx.execute(endpoints.insert().values(values).returning(columns.id))).scalar_one()
    return number


async def update_endpoint(tx: Transaction, endpoint: Endpoint, due: datetime | None) -> None:
    """Replaces what an endpoint is and how it is; a check that is under way counts no more."""
    values = writable(endpoint) | movable(endpoint.progress) | {"epoch": columns.epoch + 1, "due_time": due, "planned_time": None}
    await tx.execute(update(endpoints).where(of(endpoint.organization_id, endpoint.id)).values(values))


async def update_sighting(tx: Transaction, endpoint: Endpoint) -> None:
    """Notes of an endpoint whose checks stay as they are when its container was seen, and what is told of the container."""
    values = writable(endpoint)
    await tx.execute(update(endpoints).where(of(endpoint.organization_id, endpoint.id)).values(values))


async def delete_endpoints(tx: Transaction, organization_id: int, ids: Collection[int]) -> None:
    """Removes endpoints."""
    await tx.execute(delete(endpoints).where(columns.organization_id == organization_id, columns.id.in_(sorted(ids))))


async def find_endpoint(tx: Transaction, organization_id: int, endpoint_id: int, *, lock: bool = False) -> Endpoint | None:
    """One endpoint.

    Args:
        lock: Keeps others from changing it until the writing transaction ends.
    """
    statement = select(endpoints).where(of(organization_id, endpoint_id))
    row = (await tx.execute(statement.with_for_update() if lock else statement)).one_or_none()
    return None if row is None else read_row(row)


async def find_endpoints(tx: Transaction, organization_id: int, ids: Collection[int], *, lock: bool = False) -> dict[int, Endpoint]:
    """Endpoints by number; those that do not exist are left out."""
    found: dict[int, Endpoint] = {}
    ordered = sorted(ids)
    for start in range(0, len(ordered), IDS_PER_STATEMENT):
        part = ordered[start : start + IDS_PER_STATEMENT]
        statement = select(endpoints).where(columns.organization_id == organization_id, columns.id.in_(part)).order_by(columns.id)
        found |= {row.id: read_row(row) for row in await tx.execute(statement.with_for_update() if lock else statement)}
    return found


async def find_named(tx: Transaction, organization_id: int, name: str) -> int | None:
    """The number of the standalone endpoint with a name, ignoring case."""
    statement = select(columns.id).where(columns.organization_id == organization_id, columns.name_key == name_key(name))
    number: int | None = (await tx.execute(statement)).scalar_one_or_none()
    return number


async def find_of_containers(
    tx: Transaction, organization_id: int, container_ids: Collection[int], *, lock: bool = False
) -> list[Endpoint]:
    """All endpoints that labels of containers name, inactive ones too, by number."""
    statement = select(endpoints).where(columns.organization_id == organization_id, columns.container_id.in_(sorted(container_ids)))
    rows = await tx.execute(statement.order_by(columns.id).with_for_update() if lock else statement.order_by(columns.id))
    return [read_row(row) for row in rows]


async def list_endpoints(tx: Transaction, organization_id: int, wanted: Filter) -> list[Endpoint]:
    """The matching endpoints by number."""
    conditions = [columns.organization_id == organization_id]
    if not wanted.includes_inactive:
        conditions.append(columns.is_active.is_(True))
    for column, value in (
        (columns.status, wanted.status),
        (columns.container_name, wanted.container_name),
        (columns.orchestration_group, wanted.orchestration_group),
        (columns.endpoint_type, wanted.endpoint_type),
        (columns.source, wanted.source),
    ):
        if value is not None:
            conditions.append(column == value)
    rows = await tx.execute(select(endpoints).where(*conditions).order_by(columns.id))
    return [read_row(row) for row in rows]


async def list_recent(tx: Transaction, organization_id: int) -> dict[int, tuple[int, ...]]:
    """The newest response times of active endpoints by number, oldest first."""
    statement = select(columns.id, columns.recent_ms).where(columns.organization_id == organization_id, columns.is_active.is_(True))
    return {row.id: recent_decoder.decode(row.recent_ms) for row in await tx.execute(statement.order_by(columns.id))}


async def count_endpoints(tx: Transaction, organization_id: int) -> int:
    """How many endpoints are active."""
    statement = select(func.count()).select_from(endpoints).where(columns.organization_id == organization_id, columns.is_active.is_(True))
    number: int = (await tx.execute(statement)).scalar_one()
    return number


async def find_forgotten(tx: Transaction, before: datetime, limit: int) -> list[tuple[int, int]]:
    """Organization and number of inactive endpoints that were not seen since a time."""
    statement = select(columns.organization_id, columns.id).where(columns.is_active.is_(False), columns.last_seen_time < before)
    return [(row.organization_id, row.id) for row in await tx.execute(statement.order_by(columns.id).limit(limit))]


def read_row(whole: Sequence[Any]) -> Endpoint:
    """An endpoint from its whole row."""
    row: Any = Columns._make(whole)
    return Endpoint(
        id=row.id,
        organization_id=row.organization_id,
        source=Source(row.source),
        name=row.name,
        config=Config(
            endpoint_type=EndpointType(row.endpoint_type),
            target=row.target,
            interval_seconds=row.interval_seconds,
            timeout_seconds=row.timeout_seconds,
            failure_threshold=row.failure_threshold,
            recovery_threshold=row.recovery_threshold,
            method=row.method,
            expected_status=row.expected_status,
            tls_verify=row.tls_verify,
            headers=headers_decoder.decode(row.headers),
            max_redirects=row.max_redirects,
        ),
        sealed=None if row.sealed is None else bytes(row.sealed),
        owner=Owner(
            container_id=row.container_id,
            container_name=row.container_name,
            label_key=row.label_key,
            slot=row.slot or "",
            external_id=row.external_id,
            orchestration_group=row.orchestration_group,
            orchestration_unit=row.orchestration_unit,
            alert_channels=channels_decoder.decode(row.alert_channels),
        ),
        progress=Progress(
            status=Status(row.status),
            alert_state=AlertState(row.alert_state),
            consecutive_failures=row.consecutive_failures,
            consecutive_successes=row.consecutive_successes,
            last_check_time=row.last_check_time,
            last_response_ms=row.last_response_ms,
            last_http_status=row.last_http_status,
            last_error=row.last_error,
            recent_ms=recent_decoder.decode(row.recent_ms),
        ),
        topology_node_id=row.topology_node_id,
        is_active=row.is_active,
        is_paused=row.is_paused,
        first_seen_time=row.first_seen_time,
        last_seen_time=row.last_seen_time,
        epoch=row.epoch,
    )
