"""Updates, scans, pins and exclusions, and which containers a scan passes over (contract monitoring 15)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from lumetry_core.updates.globs import matches
from lumetry_core.updates.image import DEFAULT_TAG, ImageReference, find_digest
from lumetry_core.updates.options import UpdateOptions
from lumetry_core.updates.tags import UpdateType

CHANNEL = "updates"
EVENTS = frozenset({"update.scan_started", "update.scan_completed", "update.detected", "update.pinned", "update.unpinned"})
ALERT_TYPE = "update_available"

FIRST_SCAN_DELAY = timedelta(seconds=30)
SCAN_LEASE = timedelta(minutes=5)
"""Longer than anything that is waited for between two containers."""
MAX_REASON = 500
CRITICAL_RISK = 81
RECOMMENDED_RISK = 31
BASE_RISK: Mapping[UpdateType, int] = {
    UpdateType.MAJOR: 85,
    UpdateType.MINOR: 50,
    UpdateType.PATCH: 15,
    UpdateType.DIGEST_ONLY: 5,
    UpdateType.UNKNOWN: 5,
}


class UpdateStatus(StrEnum):
    """What people want with an update."""

    AVAILABLE = "available"
    PINNED = "pinned"


class ScanStatus(StrEnum):
    """How a scan goes."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    """It was interrupted."""


class SkipReason(StrEnum):
    """Why a scan passes a container over."""

    LOCAL_IMAGE = "local_image"
    PINNED = "pinned"
    EXCLUDED = "excluded"
    DISABLED_BY_LABEL = "disabled_by_label"
    IGNORED = "ignored"


class PatternType(StrEnum):
    """What an exclusion is compared with."""

    IMAGE = "image"
    TAG = "tag"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A container as this area sees it."""

    container_id: int
    external_id: str
    name: str
    image: str
    """As the container was made of it."""
    reference: ImageReference | None
    """None: no registry knows the image."""
    known_digests: tuple[str, ...] = ()
    """As the container runtime lists them for the image that runs."""
    options: UpdateOptions
    is_running: bool
    is_ignored: bool
    is_archived: bool = False
    runtime_type: str = "docker"
    namespace: str = ""
    controller_kind: str = ""
    unit: str = ""
    """Compose service or Kubernetes controller."""
    channels: tuple[str, ...] = ()
    topology_node_id: int | None = None

    @property
    def short_image(self) -> str:
        """The image without tag and digest."""
        return self.reference.short if self.reference else self.image

    @property
    def current_digest(self) -> str | None:
        """The digest under which its repository knows what runs; None when it does not, or nobody knows."""
        return (find_digest(self.reference, self.known_digests) or None) if self.reference else None

    @property
    def current_tag(self) -> str:
        """The tag that runs; empty when there is none."""
        return self.reference.tag if self.reference else ""


@dataclass(frozen=True, slots=True)
class Update:
    """A newer image than the one a container ran when it was checked."""

    id: int
    organization_id: int
    container_id: int
    image: str
    """Without tag and digest."""
    current_tag: str
    current_digest: str | None
    latest_tag: str
    latest_digest: str | None
    update_type: UpdateType
    risk_score: int
    detect_time: datetime
    publish_time: datetime | None = None
    resolve_time: datetime | None = None
    """Since then the container does not lag behind any more."""
    is_alerted: bool = False
    """Whether an alert was raised for exactly this; a person may have closed it since."""


@dataclass(frozen=True, slots=True)
class Pin:
    """A container that stays at what it runs."""

    container_id: int
    tag: str
    digest: str | None
    reason: str | None
    pin_time: datetime


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A pattern that keeps images or tags out of scans."""

    id: int
    pattern: str
    pattern_type: PatternType
    create_time: datetime


@dataclass(frozen=True, slots=True)
class Check:
    """What is remembered of the last time that a container was checked."""

    container_id: int
    subject: str
    """What was checked; the baseline counts for nothing else."""
    baseline_digest: str | None
    """What the container runs; None when nobody knows."""
    check_time: datetime
    error: str | None


@dataclass(frozen=True, slots=True)
class Scan:
    """A round over all running containers."""

    id: int
    organization_id: int
    status: ScanStatus
    start_time: datetime
    end_time: datetime | None = None
    scanned_count: int = 0
    found_count: int = 0
    error_count: int = 0


@dataclass(frozen=True, slots=True)
class Schedule:
    """When scans of an organization were and will be."""

    last_scan: Scan | None
    last_complete_time: datetime | None
    next_time: datetime | None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a registry has that is newer."""

    latest_tag: str
    latest_digest: str | None
    update_type: UpdateType


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of asking for a container."""

    finding: Finding | None = None
    baseline_digest: str | None = None
    error: str | None = None
    """Why there is no answer; None when there is one."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Running containers by how far behind they are; each is counted once."""

    critical: int = 0
    recommended: int = 0
    available: int = 0
    up_to_date: int = 0
    untracked: int = 0
    pinned: int = 0


def find_skip_reason(target: Target, *, has_pin: bool, exclusions: Sequence[Exclusion]) -> SkipReason | None:
    """Why a scan passes a running container over; None when it checks it."""
    reference = target.reference
    if target.is_ignored:
        return SkipReason.IGNORED
    if not target.options.is_enabled:
        return SkipReason.DISABLED_BY_LABEL
    if has_pin or target.options.is_pinned:
        return SkipReason.PINNED
    if reference is None or is_local(reference, target.options):
        return SkipReason.LOCAL_IMAGE
    if not reference.tag and not target.options.track:
        return SkipReason.PINNED  # by its digest, to which nothing is newer
    if any(is_excluded(target, exclusion) for exclusion in exclusions):
        return SkipReason.EXCLUDED
    return None


def is_local(reference: ImageReference, options: UpdateOptions) -> bool:
    """Whether an image looks as if it was made here: no slash and the tag `latest`. A registry that is named says otherwise."""
    return "/" not in reference.short and reference.tag == DEFAULT_TAG and not reference.digest and not options.registry


def is_excluded(target: Target, exclusion: Exclusion) -> bool:
    """Whether an exclusion covers a container."""
    reference = target.reference
    if exclusion.pattern_type is PatternType.TAG:
        return matches(exclusion.pattern, target.current_tag)
    names = {target.image, target.short_image}
    if reference is not None:
        names |= {reference.name, reference.repository}
        if reference.tag:
            names |= {f"{reference.name}:{reference.tag}", f"{reference.short}:{reference.tag}"}
    return any(matches(exclusion.pattern, name) for name in names)


def is_about(update: Update, target: Target) -> bool:
    """Whether an update is still one of what a container runs."""
    return not target.is_archived and update.image == target.short_image and update.current_tag == target.current_tag


def subject_of(target: Target) -> str:
    """What a baseline is a baseline of: this very container, its image and where it is asked for."""
    return f"{target.external_id} {target.image} {target.options.registry} {target.options.track}"


def count_targets(
    targets: Sequence[Target],
    updates: Mapping[int, Update],
    checks: Mapping[int, Check],
    pinned: frozenset[int],
    exclusions: Sequence[Exclusion],
) -> Counts:
    """Counts running containers that are not ignored.

    Args:
        targets: All containers.
        updates: The one of each container that lags behind.
        checks: The last check of each container that was checked.
        pinned: Those that people pinned.
        exclusions: All exclusions.
    """
    counted = dict.fromkeys(Counts.__dataclass_fields__, 0)
    for target in targets:
        if target.is_running and not target.is_ignored and not target.is_archived:
            counted[bucket_of(target, updates, checks, has_pin=target.container_id in pinned, exclusions=exclusions)] += 1
    return Counts(**counted)


def bucket_of(
    target: Target, updates: Mapping[int, Update], checks: Mapping[int, Check], *, has_pin: bool, exclusions: Sequence[Exclusion]
) -> str:
    """Which count a container is in."""
    reason = find_skip_reason(target, has_pin=has_pin, exclusions=exclusions)
    if reason is not None:
        return "pinned" if reason is SkipReason.PINNED else "untracked"
    update = updates.get(target.container_id)
    if update is not None and is_about(update, target):
        if update.risk_score >= CRITICAL_RISK:
            return "critical"
        return "recommended" if update.risk_score >= RECOMMENDED_RISK else "available"
    check = checks.get(target.container_id)
    return "up_to_date" if check is not None and check.error is None and check.subject == subject_of(target) else "untracked"
