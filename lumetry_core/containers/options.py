"""Reads what a container's labels say of it (contract monitoring 18)."""

from collections.abc import Mapping
from dataclasses import dataclass

from lumetry_core.endpoints.labels import read_option
from lumetry_core.rules.model import Severity

PROJECTS = ("com.docker.compose.project", "io.podman.compose.project", "com.docker.stack.namespace")
UNITS = ("com.docker.compose.service", "io.podman.compose.service", "com.docker.swarm.service.name")
DEFAULT_THRESHOLD = 3
MAX_THRESHOLD = 1_000_000
MAX_LENGTH = 255
YES = ("true", "1")


@dataclass(frozen=True, slots=True)
class Options:
    """What labels set. Whatever is wrong with one, its default stands."""

    is_ignored: bool = False
    custom_group: str | None = None
    alert_severity: Severity = Severity.WARNING
    restart_threshold: int = DEFAULT_THRESHOLD
    alert_channels: str | None = None
    node: str | None = None
    """External id of a topology node."""
    orchestration_group: str | None = None
    orchestration_unit: str | None = None


def read_options(labels: Mapping[str, str]) -> Options:
    """What the labels of a container set."""
    return Options(
        is_ignored=(read_option(labels, "ignore") or "").strip().lower() in YES,
        custom_group=short(read_option(labels, "group")),
        alert_severity=read_severity(read_option(labels, "alert.severity")),
        restart_threshold=read_threshold(read_option(labels, "alert.restart_threshold")),
        alert_channels=(read_option(labels, "alert.channels") or "").strip() or None,
        node=(read_option(labels, "topology.node") or "").strip() or None,
        orchestration_group=first(labels, PROJECTS),
        orchestration_unit=first(labels, UNITS),
    )


def read_severity(text: str | None) -> Severity:
    """A severity."""
    words = {severity.value.lower(): severity for severity in Severity}
    return words.get((text or "").strip().lower(), Severity.WARNING)


def read_threshold(text: str | None) -> int:
    """A number of restarts."""
    digits = (text or "").strip()
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= len(str(MAX_THRESHOLD))):
        return DEFAULT_THRESHOLD
    return min(int(digits), MAX_THRESHOLD) or DEFAULT_THRESHOLD


def first(labels: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    """The first label that is there."""
    return next((found for found in (short(labels.get(name)) for name in names) if found), None)


def short(text: str | None) -> str | None:
    """A name as it is shown; None when there is none."""
    return (text or "").strip()[:MAX_LENGTH] or None
