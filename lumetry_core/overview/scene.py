"""What is known of an organization at a moment, whoever asks: the material of both snapshots."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from lumetry_core.alerts.figures import Mark, Subject
from lumetry_core.billing.model import Meter
from lumetry_core.certificates.standings import Standing as CertificateStanding
from lumetry_core.collectors.model import Collector
from lumetry_core.containers.standings import Standing as ContainerStanding
from lumetry_core.endpoints.standings import Standing as EndpointStanding
from lumetry_core.heartbeats.standings import Standing as HeartbeatStanding
from lumetry_core.incidents.figures import Handling, Unresolved
from lumetry_core.overview.belonging import Belonging
from lumetry_core.overview.figures import PipelineFigures
from lumetry_core.overview.machines import Machine


@dataclass(frozen=True, slots=True)
class Monitors:
    """All monitors of an organization."""

    containers: Sequence[ContainerStanding] = ()
    endpoints: Sequence[EndpointStanding] = ()
    heartbeats: Sequence[HeartbeatStanding] = ()
    certificates: Sequence[CertificateStanding] = ()


@dataclass(frozen=True, slots=True)
class Work:
    """Alerts and incidents of a project, or all of them."""

    marks: Sequence[Mark]
    unresolved: Sequence[Unresolved]
    handling: Handling
    fired: int
    fired_by_hour: Mapping[datetime, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a snapshot of whichever caller is made of."""

    time: datetime
    """When it was read."""
    first_hour: datetime
    """The beginning of the first of the 24 hours that are counted; the last one is running."""
    marks: Sequence[Mark]
    unresolved: Sequence[Unresolved]
    subjects: Mapping[int, set[Subject]]
    """What the alerts of each unresolved incident are about."""
    handling: Handling
    fired: int
    """Alerts within 24 hours."""
    fired_by_hour: Mapping[datetime, int]
    """The same by UTC hour, of which the first has begun before."""
    belonging: Belonging
    monitors: Monitors
    collectors: Sequence[Collector]
    machines: Sequence[Machine]
    usage: Sequence[tuple[datetime, Meter, int]]
    """By hour, from the first hour on."""
    pace: Mapping[Meter, float]
    """Per second."""
    pings: int
    external_events: int
    pipeline: PipelineFigures
    uptime_percent: float | None
    works: dict[str, Work] = field(default_factory=dict)
    """The part of each project that somebody has asked for."""
