"""Collectors and what is decided about them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from lumetry_core.collectors.config import DEFAULT, Config, spell_config
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
REMEMBERED_INSTANCES = 8
"""So many instances that share a credential are told apart; more of them look like restarts."""
FIRST_REVISION = 1


class Status(StrEnum):
    """Life of a collector; `REVOKED` is final."""

    PENDING = "pending"
    ACTIVE = "active"
    DUPLICATE_SUSPECTED = "duplicate_suspected"
    REVOKED = "revoked"


class ApplyStatus(StrEnum):
    """What became of a revision of the configuration."""

    APPLIED = "applied"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Sighting:
    """An instance with its newest heartbeat."""

    instance_id: str
    time: datetime


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
    credential_id: int | None = None
    """The credential of the newest heartbeat."""
    credential_time: datetime | None = None
    """Issue of that credential."""
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
    recent_instances: tuple[Sighting, ...] = ()
    """Those before the present one, newest first."""
    config: Config = DEFAULT
    """The desired configuration."""
    config_revision: int = FIRST_REVISION
    config_revision_applied: int = 0
    """Last revision that it applied or rejected; 0: none yet."""
    config_apply_status: ApplyStatus | None = None
    config_apply_error: str = ""
    heartbeat_interval_seconds: int = DEFAULT.heartbeat_interval_seconds
    """What it keeps: that of the last desired configuration that it said to have applied."""
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
    config_apply_status: str = ""
    config_apply_error: str = ""


def online_span(collector: Collector) -> timedelta:
    """How long after a heartbeat the collector still counts as there. It may not know of a shorter interval yet."""
    return ONLINE_INTERVALS * timedelta(seconds=max(collector.heartbeat_interval_seconds, collector.config.heartbeat_interval_seconds))


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


def takes_enrollments(collector: Collector, now: datetime) -> bool:
    """Whether the single-use token still enrolls anybody: it is unused, or its answer may have been lost."""
    if collector.status is Status.PENDING:
        return True
    return (
        collector.status is not Status.REVOKED
        and collector.enroll_time is not None
        and now - collector.enroll_time <= REPEATED_ENROLLMENT_SPAN
    )


def may_enroll(collector: Collector, installation_id: str, now: datetime) -> bool:
    """Whether the single-use token still enrolls this installation."""
    return takes_enrollments(collector, now) and (
        collector.status is Status.PENDING or collector.installation_id == installation_id.lower()
    )


def enrolled(collector: Collector, installation: Installation, now: datetime) -> Collector:
    """The collector after an enrollment; its first time stays."""
    return replace(
        collector,
        status=Status.ACTIVE,
        enroll_time=collector.enroll_time or now,
        credential_id=None,
        credential_time=now,
        installation_id=installation.installation_id.lower(),
        hostname=installation.hostname,
        version=installation.version,
        capabilities=installation.capabilities,
        recent_instances=(),
        heartbeat_interval_seconds=collector.config.heartbeat_interval_seconds,
    )


def after_heartbeat(collector: Collector, heartbeat: Heartbeat, now: datetime) -> Collector:
    """The collector after a heartbeat.

    A restart changes the instance once. Instances that alternate within three intervals run on one credential, which is suspicious until
    ten minutes have passed with one of them.
    """
    seen = replace(
        after_report(collector, heartbeat),
        version=heartbeat.version or collector.version,
        capabilities=heartbeat.capabilities,
        queue_depth=heartbeat.queue_depth,
        dropped_count=heartbeat.dropped_count,
        clock_skew_ms=to_ms(heartbeat.send_time) - to_ms(now),
        last_seen_time=now if collector.last_seen_time is None else max(now, collector.last_seen_time),
        offline_time=None,
    )
    instance_id = heartbeat.instance_id.lower()
    if instance_id == collector.instance_id:
        settled = collector.instance_time is not None and now - collector.instance_time >= DUPLICATE_MEMORY
        if collector.status is Status.DUPLICATE_SUSPECTED and settled:
            return replace(seen, status=Status.ACTIVE, recent_instances=())
        return seen
    span = online_span(collector)
    alternates = any(recent.instance_id == instance_id and now - recent.time <= span for recent in collector.recent_instances)
    others = tuple(recent for recent in collector.recent_instances if recent.instance_id != instance_id)
    if collector.instance_id is not None and collector.last_seen_time is not None:
        others = (Sighting(collector.instance_id, collector.last_seen_time), *others)
    return replace(
        seen,
        status=Status.DUPLICATE_SUSPECTED if alternates else collector.status,
        instance_id=instance_id,
        instance_time=now,
        recent_instances=others[:REMEMBERED_INSTANCES],
    )


def after_report(collector: Collector, heartbeat: Heartbeat) -> Collector:
    """The collector after what a heartbeat says of the configuration; one that says nothing changes nothing."""
    if not heartbeat.config_revision_applied:
        return collector
    status = ApplyStatus(heartbeat.config_apply_status or ApplyStatus.APPLIED)
    revision = heartbeat.config_revision_applied
    error = heartbeat.config_apply_error if status is ApplyStatus.REJECTED else ""
    keeps = status is ApplyStatus.APPLIED and revision == collector.config_revision
    interval = (collector.config if keeps else collector).heartbeat_interval_seconds
    present = collector.config_revision_applied, collector.config_apply_status
    if (*present, collector.config_apply_error, collector.heartbeat_interval_seconds) == (revision, status, error, interval):
        return collector
    return replace(
        collector,
        config_revision_applied=revision,
        config_apply_status=status,
        config_apply_error=error,
        heartbeat_interval_seconds=interval,
    )


def reconfigured(collector: Collector, config: Config) -> Collector:
    """The collector under another desired configuration."""
    return replace(collector, config=config, config_revision=collector.config_revision + 1)


def revoked(collector: Collector) -> Collector:
    """The collector after its end."""
    return replace(collector, status=Status.REVOKED, offline_time=None, recent_instances=())


def must_rotate(credential_time: datetime | None, now: datetime) -> bool:
    """Whether a credential of this issue is old."""
    return credential_time is not None and now - credential_time >= CREDENTIAL_AGE


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
        "config": spell_config(collector.config),
    }
