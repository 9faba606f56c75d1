"""Collectors and what is decided about them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from lumetry_core.runtime.clock import to_ms

ENROLLMENT_TOKEN_LIFE = timedelta(hours=24)
"""Contract lumetry 16.2."""
REPEATED_ENROLLMENT_SPAN = timedelta(minutes=10)
"""How long a repeated enrollment repairs a lost answer (16.3)."""
DUPLICATE_MEMORY = timedelta(minutes=10)
"""How long a single instance clears the suspicion of a duplicate (16.3)."""
CREDENTIAL_AGE = timedelta(days=90)
"""Age from which a credential should be rotated (16.3)."""
ONLINE_INTERVALS = 3
"""A collector is online, and two instances alternate, within so many heartbeat intervals (16.2, 16.3)."""
DEFAULT_HEARTBEAT_SECONDS = 30
FIRST_REVISION = 1


class Status(StrEnum):
    """Life of a collector; `REVOKED` is final."""

    PENDING = "pending"
    ACTIVE = "active"
    DUPLICATE_SUSPECTED = "duplicate_suspected"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Collector:
    """A registered collector. `id` is a UUID; times are absent until what they name has happened."""

    organization_id: int
    id: str
    name: str
    status: Status
    create_time: datetime
    created_by: int | None
    enroll_time: datetime | None = None
    credential_time: datetime | None = None
    """Issue of the credential in use."""
    installation_id: str | None = None
    hostname: str = ""
    version: str = ""
    capabilities: tuple[str, ...] = ()
    last_seen_time: datetime | None = None
    queue_depth: int = 0
    dropped_count: int = 0
    clock_skew_ms: int | None = None
    instance_id: str | None = None
    instance_time: datetime | None = None
    """When the present instance took over."""
    previous_instance_id: str | None = None
    previous_seen_time: datetime | None = None
    """Newest heartbeat of the instance before."""
    config_revision: int = FIRST_REVISION
    config_revision_applied: int = 0
    heartbeat_interval_seconds: int = DEFAULT_HEARTBEAT_SECONDS
    offline_time: datetime | None = None
    """When it was told that its heartbeats stay away; None: they do not."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What an installation tells of itself when it enrolls."""

    installation_id: str
    hostname: str
    version: str
    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What an instance tells of itself. `send_time` is its own clock."""

    instance_id: str
    version: str
    queue_depth: int
    dropped_count: int
    send_time: datetime
    config_revision_applied: int
    capabilities: tuple[str, ...]


def online_span(collector: Collector) -> timedelta:
    """How long after a heartbeat the collector still counts as there."""
    return ONLINE_INTERVALS * timedelta(seconds=collector.heartbeat_interval_seconds)


def is_online(collector: Collector, now: datetime) -> bool:
    """Whether the newest heartbeat is at most three intervals old."""
    return (
        collector.status is not Status.REVOKED
        and collector.last_seen_time is not None
        and now - collector.last_seen_time <= online_span(collector)
    )


def is_overdue(collector: Collector, watch_time: datetime, now: datetime) -> bool:
    """Whether people must be told that the collector went silent: it is offline, and would have been heard had it been there.

    Args:
        watch_time: Since when its heartbeats could have come in.
    """
    return (
        collector.status in (Status.ACTIVE, Status.DUPLICATE_SUSPECTED)
        and collector.offline_time is None
        and collector.last_seen_time is not None
        and not is_online(collector, now)
        and now - watch_time > online_span(collector)
    )


def may_enroll(collector: Collector, installation_id: str, now: datetime) -> bool:
    """Whether the single-use token still enrolls this installation: it is unused, or its answer may have been lost."""
    if collector.status is Status.PENDING:
        return True
    return (
        collector.status is not Status.REVOKED
        and collector.installation_id == installation_id
        and collector.enroll_time is not None
        and now - collector.enroll_time <= REPEATED_ENROLLMENT_SPAN
    )


def enrolled(collector: Collector, installation: Installation, now: datetime) -> Collector:
    """The collector after an enrollment; its first time stays."""
    return replace(
        collector,
        status=Status.ACTIVE,
        enroll_time=collector.enroll_time or now,
        credential_time=now,
        installation_id=installation.installation_id,
        hostname=installation.hostname,
        version=installation.version,
        capabilities=installation.capabilities,
    )


def after_heartbeat(collector: Collector, heartbeat: Heartbeat, now: datetime) -> Collector:
    """The collector after a heartbeat.

    A restart changes the instance once. Two instances that alternate within three intervals run on one credential, which is
    suspicious until ten minutes have passed with one of them.
    """
    seen = replace(
        collector,
        version=heartbeat.version,
        capabilities=heartbeat.capabilities,
        queue_depth=heartbeat.queue_depth,
        dropped_count=heartbeat.dropped_count,
        clock_skew_ms=to_ms(heartbeat.send_time) - to_ms(now),
        config_revision_applied=heartbeat.config_revision_applied,
        last_seen_time=now,
        offline_time=None,
    )
    if heartbeat.instance_id == collector.instance_id:
        settled = collector.instance_time is not None and now - collector.instance_time >= DUPLICATE_MEMORY
        if collector.status is Status.DUPLICATE_SUSPECTED and settled:
            return replace(seen, status=Status.ACTIVE)
        return seen
    alternates = (
        heartbeat.instance_id == collector.previous_instance_id
        and collector.previous_seen_time is not None
        and now - collector.previous_seen_time <= online_span(collector)
    )
    return replace(
        seen,
        status=Status.DUPLICATE_SUSPECTED if alternates else collector.status,
        instance_id=heartbeat.instance_id,
        instance_time=now,
        previous_instance_id=collector.instance_id,
        previous_seen_time=collector.last_seen_time,
    )


def must_rotate(collector: Collector, now: datetime) -> bool:
    """Whether the credential is old."""
    return collector.credential_time is not None and now - collector.credential_time >= CREDENTIAL_AGE


def revision_of(collector: Collector) -> Mapping[str, object]:
    """What audit and revisions keep, under the contract's names; no heartbeat's figures."""
    return {
        "id": collector.id,
        "name": collector.name,
        "status": collector.status.value,
        "hostname": collector.hostname,
        "version": collector.version,
        "capabilities": list(collector.capabilities),
        "configRevision": collector.config_revision,
    }
