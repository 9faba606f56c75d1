"""Host agents, the profiles by which they enroll, and what is decided about both (contract lumetry 17)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

HEARTBEAT_SECONDS = 60
OFFLINE_AFTER = timedelta(minutes=5)
"""Without a heartbeat for so long an agent is offline."""
FIRST_REVISION = 1


class State(StrEnum):
    """How an agent is; `REVOKED` is final."""

    ONLINE = "Online"
    OFFLINE = "Offline"
    DISABLED = "Disabled"
    REVOKED = "Revoked"


class Os(StrEnum):
    """Operating systems for which there are agents."""

    LINUX = "linux"
    WINDOWS = "windows"


class Transport(StrEnum):
    """How an agent's call came."""

    DIRECT = "Direct"
    COLLECTOR = "Collector"


@dataclass(frozen=True, slots=True)
class Profile:
    """What admits agents, so many and so long."""

    id: int
    organization_id: int
    name: str
    max_enrollments: int
    enrollment_count: int
    expire_time: datetime
    required_collector_id: str | None
    token_prefix: str
    create_time: datetime
    created_by: int | None


@dataclass(frozen=True, slots=True)
class Installation:
    """What an installation tells of itself when it enrolls."""

    installation_id: str
    host_id: str
    hostname: str
    os: str
    arch: str
    version: str
    cluster: str = ""
    """Display name of the cluster to join."""
    cluster_id: str = ""
    """External id of the cluster to join."""


@dataclass(frozen=True, slots=True)
class Pack:
    """A rule pack in use."""

    pack_id: str
    version: int


@dataclass(frozen=True, slots=True)
class Beat:
    """What an agent tells of itself."""

    version: str
    queue_depth: int
    dropped_count: int
    series_count: int
    series_dropped: int
    transport: str
    packs: tuple[Pack, ...]
    detected_software: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostAgent:
    """An enrolled agent. `key` is a UUID and the value of `agent.id`; times are absent until what they name has happened."""

    organization_id: int
    id: int
    key: str
    installation_id: str
    profile_id: int
    host_id: str
    hostname: str
    os: str
    arch: str
    version: str
    credential_prefix: str
    enroll_time: datetime
    """The first time."""
    contact_time: datetime
    """The newest enrollment or heartbeat."""
    required_collector_id: str | None = None
    is_enabled: bool = True
    revoke_time: datetime | None = None
    node_id: int | None = None
    """The host in the topology."""
    last_seen_time: datetime | None = None
    """Its newest heartbeat."""
    transport: Transport = Transport.DIRECT
    collector_id: str | None = None
    """Through which it came last."""
    queue_depth: int = 0
    dropped_count: int = 0
    series_count: int = 0
    series_dropped: int = 0
    packs: tuple[Pack, ...] = ()
    detected_software: tuple[str, ...] = ()
    config_revision: int = FIRST_REVISION
    config: str = ""
    """Digest of what was wanted of it when the revision was given; empty: nothing yet."""
    offline_time: datetime | None = None
    """When it was told that its heartbeats stay away; None: they do not."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster of the topology that agents are placed in."""

    node_id: int
    external_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag that agents bear."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Row:
    """An agent as lists show it."""

    agent: HostAgent
    state: State
    cluster: Cluster | None = None
    tags: Sequence[Tag] = field(default_factory=tuple)


def state_of(agent: HostAgent, now: datetime) -> State:
    """How an agent is; an enrollment counts as a sign of life."""
    if agent.revoke_time is not None:
        return State.REVOKED
    if not agent.is_enabled:
        return State.DISABLED
    return State.ONLINE if now - agent.contact_time <= OFFLINE_AFTER else State.OFFLINE


def enrolled_again(agent: HostAgent, installation: Installation, credential_prefix: str, now: datetime) -> HostAgent:
    """The agent after its installation enrolled again: who it is stays, what it says of itself counts."""
    return replace(
        agent,
        host_id=installation.host_id,
        hostname=installation.hostname,
        os=installation.os,
        arch=installation.arch,
        version=installation.version,
        credential_prefix=credential_prefix,
        contact_time=now,
    )


def after_beat(agent: HostAgent, beat: Beat, relay: str | None, now: datetime) -> HostAgent:
    """The agent after a heartbeat.

    Args:
        relay: The collector that relayed it.
    """
    return replace(
        agent,
        version=beat.version or agent.version,
        queue_depth=beat.queue_depth,
        dropped_count=beat.dropped_count,
        series_count=beat.series_count,
        series_dropped=beat.series_dropped,
        packs=beat.packs,
        detected_software=beat.detected_software,
        transport=Transport.DIRECT if relay is None else Transport.COLLECTOR,
        collector_id=relay,
        last_seen_time=now,
        contact_time=now,
        offline_time=None,
    )


def came_back(agent: HostAgent) -> bool:
    """Whether its next heartbeat is news: it was silent, or never heard."""
    return agent.last_seen_time is None or agent.offline_time is not None


def is_overdue(agent: HostAgent, watch_time: datetime, now: datetime) -> bool:
    """Whether people must be told that the agent went silent: it is offline, and would have been heard had it been there.

    Args:
        watch_time: Since when its heartbeats could have come in.
    """
    return agent.offline_time is None and state_of(agent, now) is State.OFFLINE and now - watch_time > OFFLINE_AFTER


def revision_of(agent: HostAgent, cluster: Cluster | None, tags: Sequence[Tag]) -> Mapping[str, object]:
    """What audit and revisions keep, under the contract's names; no heartbeat's figures."""
    return {
        "id": agent.id,
        "agentKey": agent.key,
        "hostname": agent.hostname,
        "hostId": agent.host_id,
        "installationId": agent.installation_id,
        "os": agent.os,
        "arch": agent.arch,
        "version": agent.version,
        "enabled": agent.is_enabled,
        "revoked": agent.revoke_time is not None,
        "clusterId": None if cluster is None else cluster.node_id,
        "tagIds": sorted(tag.id for tag in tags),
    }


def revision_of_profile(profile: Profile) -> Mapping[str, object]:
    """What audit and revisions keep of a profile, under the contract's names; not how many it has admitted."""
    return {
        "id": profile.id,
        "name": profile.name,
        "maxEnrollments": profile.max_enrollments,
        "expiresAt": profile.expire_time,
        "requiredCollectorId": profile.required_collector_id,
    }
