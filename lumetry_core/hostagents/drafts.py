"""What agents and people send, and its checks (contract lumetry 17.2, 17.3)."""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lumetry_core.hostagents.model import Beat, Installation, Os, Pack, Transport
from lumetry_core.runtime.errors import Faults

MAX_PROFILE_NAME = 100
MAX_ENROLLMENTS, DEFAULT_ENROLLMENTS = 10_000, 100
MAX_HOURS, DEFAULT_HOURS = 720, 24
MAX_HOST_ID = 128
MAX_HOSTNAME = 255
MAX_ARCH = 64
MAX_VERSION = 64
MAX_CLUSTER = 255
MAX_PACKS = 64
MAX_PACK_ID = 64
PACK_ID = re.compile(rf"[A-Za-z0-9._-]{{1,{MAX_PACK_ID}}}")
MAX_SOFTWARE = 64
MAX_SOFTWARE_NAME = 64
MAX_COUNT = 2**53 - 1
MAX_TAGS = 100


@dataclass(frozen=True, slots=True)
class ProfileDraft:
    """A profile as it was asked for; None: the default."""

    name: str
    max_enrollments: int | None = None
    expires_in_hours: int | None = None
    required_collector_id: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a profile is to allow."""

    name: str
    max_enrollments: int
    hours: int
    required_collector_id: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """What an agent is to become: the whole of what people write."""

    is_enabled: bool | None
    """Required; None is a fault of who asks."""
    cluster_node_id: int | None
    tag_ids: tuple[int, ...]


def check_profile(draft: ProfileDraft, faults: Faults) -> Terms:
    """The terms of a draft, with defaults; what is faulty is noted."""
    name = draft.name.strip()
    count = DEFAULT_ENROLLMENTS if draft.max_enrollments is None else draft.max_enrollments
    hours = DEFAULT_HOURS if draft.expires_in_hours is None else draft.expires_in_hours
    collector_id = draft.required_collector_id.strip().lower()
    faults.check(is_text(name, MAX_PROFILE_NAME), "name", f"must have 1 to {MAX_PROFILE_NAME} printable characters")
    faults.check_range(1 <= count <= MAX_ENROLLMENTS, "maxEnrollments", f"must be between 1 and {MAX_ENROLLMENTS}")
    faults.check_range(1 <= hours <= MAX_HOURS, "expiresInHours", f"must be between 1 and {MAX_HOURS}")
    faults.check(not collector_id or is_uuid(collector_id), "requiredCollectorId", "must be a UUID")
    return Terms(name, count, hours, collector_id or None)


def check_installation(sent: Installation) -> Installation:
    """The installation as it is kept, without blanks around names. Fails with VALIDATION_FAILED, naming every fault."""
    faults = Faults()
    host_id, hostname, arch, version = (text.strip() for text in (sent.host_id, sent.hostname, sent.arch, sent.version))
    faults.check(is_uuid(sent.installation_id), "installationId", "must be a UUID")
    faults.check(is_text(host_id, MAX_HOST_ID), "hostId", f"must have 1 to {MAX_HOST_ID} printable characters")
    faults.check(is_text(hostname, MAX_HOSTNAME), "hostname", f"must have 1 to {MAX_HOSTNAME} printable characters")
    faults.check(sent.os in tuple(Os), "os", f"must be one of {', '.join(Os)}")
    faults.check(is_optional(arch, MAX_ARCH), "arch", f"must have at most {MAX_ARCH} printable characters")
    faults.check(is_optional(version, MAX_VERSION), "version", f"must have at most {MAX_VERSION} printable characters")
    cluster, cluster_id = sent.cluster.strip(), sent.cluster_id.strip()
    faults.check(is_optional(cluster, MAX_CLUSTER), "cluster", f"must have at most {MAX_CLUSTER} printable characters")
    faults.check(is_optional(cluster_id, MAX_CLUSTER), "clusterId", f"must have at most {MAX_CLUSTER} printable characters")
    faults.check(not (cluster and cluster_id), "clusterId", "must not be given together with cluster")
    faults.raise_if_any()
    return Installation(sent.installation_id.lower(), host_id, hostname, sent.os, arch, version, cluster, cluster_id)


def check_beat(sent: Beat, faults: Faults) -> Beat:
    """The heartbeat as it is kept, without blanks around names; what is faulty is noted, and then it is not to be kept."""
    beat = replace(
        sent,
        version=sent.version.strip(),
        packs=tuple(Pack(pack.pack_id.strip(), pack.version) for pack in sent.packs),
        detected_software=tuple(dict.fromkeys(name.strip() for name in sent.detected_software)),
    )
    faults.check(is_optional(beat.version, MAX_VERSION), "version", f"must have at most {MAX_VERSION} printable characters")
    counts = (
        ("queueDepth", beat.queue_depth),
        ("droppedCount", beat.dropped_count),
        ("seriesCount", beat.series_count),
        ("seriesDropped", beat.series_dropped),
    )
    for path, count in counts:
        faults.check(0 <= count <= MAX_COUNT, path, "must not be negative")
    faults.check(not beat.transport or beat.transport in tuple(Transport), "transport", f"must be one of {', '.join(Transport)}")
    check_packs(beat.packs, faults)
    faults.check(len(sent.detected_software) <= MAX_SOFTWARE, "detectedSoftware", f"must have at most {MAX_SOFTWARE} elements")
    for position, name in enumerate(sent.detected_software[:MAX_SOFTWARE]):
        path = f"detectedSoftware[{position}]"
        faults.check(is_text(name.strip(), MAX_SOFTWARE_NAME), path, f"must have 1 to {MAX_SOFTWARE_NAME} printable characters")
    return beat


def check_packs(packs: Sequence[Pack], faults: Faults) -> None:
    """Notes what is wrong with the packs in use; those that nobody knows may be of a later product."""
    faults.check(len(packs) <= MAX_PACKS, "packs", f"must have at most {MAX_PACKS} elements")
    for position, pack in enumerate(packs[:MAX_PACKS]):
        path = f"packs[{position}]"
        faults.check(
            PACK_ID.fullmatch(pack.pack_id) is not None, f"{path}.packId", f"must have 1 to {MAX_PACK_ID} letters, digits, '.', '_' or '-'"
        )
        faults.check(pack.version >= 0, f"{path}.version", "must not be negative")


def is_text(text: str, max_length: int) -> bool:
    """Whether the text is there, short enough, printable and not blank."""
    return 0 < len(text) <= max_length and text.isprintable() and not text.isspace()


def is_optional(text: str, max_length: int) -> bool:
    """Whether the text is absent, or short enough and printable."""
    return not text or is_text(text, max_length)


def is_uuid(text: str) -> bool:
    """Whether the text is a UUID in its canonical form."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
