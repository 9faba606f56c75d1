"""Projects and what is decided about them."""

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

DEFAULT_SLUG = "default"
DEFAULT_NAME = "Default"
FALLBACK_SLUG = "project"
MAX_SLUG = 64
NAME_FROM_DESCRIPTION = 80
SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?")


class Visibility(StrEnum):
    """Who sees the record of a project."""

    TEAM = "team"
    PRIVATE = "private"


class Status(StrEnum):
    """Whether a project is listed by default."""

    ACTIVE = "active"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class LogSettings:
    """How the logs of a project are kept (contract workspace 4, `settings.logs`)."""

    allow_privacy_mode: bool = False
    """Entries that say they are scrubbed already are believed."""
    scrub_emails: bool = False
    scrub_national_ids: bool = False
    retention_days: int | None = None
    """None: the deployment's default."""


@dataclass(frozen=True, slots=True)
class Settings:
    """A project's settings: the known part, and the free keys beside it as they were sent."""

    logs: LogSettings = LogSettings()
    free: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Project:
    """A grouping of signals. `id` is a UUID; optional texts are None when there are none."""

    organization_id: int
    id: str
    slug: str
    name: str
    create_time: datetime
    update_time: datetime
    owner_id: int | None = None
    """The user who made it; None when the product did and no user has dealt with projects since."""
    description: str | None = None
    prompt: str | None = None
    emoji: str | None = None
    visibility: Visibility = Visibility.TEAM
    status: Status = Status.ACTIVE
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    settings: Settings = Settings()
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class ProjectStats:
    """What goes on in a project now; None where nothing is known or the caller may not know."""

    open_incidents: int = 0
    active_alerts: int = 0
    monitors_down: int = 0
    log_entries_24h: int | None = None
    open_error_groups: int | None = None
    active_sessions: int = 0


@dataclass(frozen=True, slots=True)
class ProjectFigures:
    """What goes on in a project, and what the running month of it is worth so far, in micro-units of credits."""

    stats: ProjectStats = ProjectStats()
    spend: int = 0


def is_slug(text: str) -> bool:
    """Whether the text can be a slug."""
    return SLUG.fullmatch(text) is not None


def sees(project: Project, user_id: int | None) -> bool:
    """Whether a user sees the record."""
    return project.visibility is Visibility.TEAM or (user_id is not None and project.owner_id == user_id)


def slug_of(name: str, fallback: str = FALLBACK_SLUG) -> str:
    """The slug that a name suggests: its letters and digits without accents, everything between as one hyphen."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_SLUG].rstrip("-") or fallback


def free_slug(wanted: str, taken: Collection[str]) -> str:
    """The wanted slug, or the first of `wanted-2`, `wanted-3` … that is not taken."""
    slug, number = wanted, 1
    while slug in taken:
        number += 1
        ending = f"-{number}"
        slug = wanted[: MAX_SLUG - len(ending)].rstrip("-") + ending
    return slug


def settings_of(document: Mapping[str, Any]) -> Settings:
    """Reads settings that are known to be valid; unknown keys beside the logs' are dropped there and kept elsewhere."""
    logs = document.get("logs") or {}
    return Settings(
        LogSettings(
            allow_privacy_mode=logs.get("allowPrivacyMode", False),
            scrub_emails=logs.get("scrubEmails", False),
            scrub_national_ids=logs.get("scrubNationalIds", False),
            retention_days=logs.get("retentionDays"),
        ),
        {key: value for key, value in document.items() if key != "logs"},
    )


def document_of(settings: Settings) -> dict[str, Any]:
    """Settings under the contract's names; the known part is complete but for a retention that was not set."""
    logs: dict[str, Any] = {
        "allowPrivacyMode": settings.logs.allow_privacy_mode,
        "scrubEmails": settings.logs.scrub_emails,
        "scrubNationalIds": settings.logs.scrub_national_ids,
    }
    if settings.logs.retention_days is not None:
        logs["retentionDays"] = settings.logs.retention_days
    return {**settings.free, "logs": logs}


def audited(project: Project) -> Mapping[str, object]:
    """What the audit keeps, under the contract's names."""
    return {
        "id": project.id,
        "slug": project.slug,
        "name": project.name,
        "description": project.description,
        "prompt": project.prompt,
        "emoji": project.emoji,
        "visibility": project.visibility.value,
        "status": project.status.value,
        "tags": list(project.tags),
        "metadata": project.metadata,
        "settings": document_of(project.settings),
    }
