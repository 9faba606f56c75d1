"""Keys of programs: log keys of projects, and workspace keys that act for their owners within scopes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from lumetry_core.runtime.caller import Permission

MAX_LOG_KEY_NAME_LENGTH = 120
MAX_WORKSPACE_KEY_NAME_LENGTH = 255
MAX_ACTIVE_WORKSPACE_KEYS = 50
"""Of one user (contract workspace 2)."""
MIN_KEY_LIFE = timedelta(hours=1)
MAX_KEY_LIFE = timedelta(days=3652)
"""How far ahead the end of a workspace key may be: ten years."""

ENVIRONMENTS = ("production", "staging", "development")
"""What a log key's entries come from unless they say otherwise (contract logs 1.4)."""

READ_WRITE_AREAS = ("agents", "projects", "sessions", "files", "notifications", "logs", "monitoring")
READ_AREAS = ("connections", "billing", "dashboard", "docs", "user")
SCOPES = (
    *(f"{area}:{verb}" for area in READ_WRITE_AREAS for verb in ("read", "write")),
    *(f"{area}:read" for area in READ_AREAS),
)
"""What a workspace key can be narrowed to, in the order in which scopes are listed (contract workspace 1.3)."""


class LogKeyAccess(StrEnum):
    """What a log key opens."""

    FULL = "full"
    INGEST = "ingest"


LOG_KEY_PERMISSIONS: Mapping[LogKeyAccess, frozenset[Permission]] = {
    LogKeyAccess.FULL: frozenset({Permission.INGEST_LOGS, Permission.VIEW_LOGS}),
    LogKeyAccess.INGEST: frozenset({Permission.INGEST_LOGS}),
}
"""What a log key may do by itself: it has no owner whose permissions could end (contract logs 1.4)."""


@dataclass(frozen=True, slots=True)
class LogKey:
    """A key of a project, whose logs it pushes and perhaps reads. The secret itself is not known."""

    id: str
    """UUID, by which people and programs name the key."""
    number: int
    """Row, which `Caller.credential_id` names."""
    organization_id: int
    project_id: str
    """UUID."""
    name: str
    """Unique among the organization's keys that are not revoked, ignoring case."""
    prefix: str
    environment: str
    access: LogKeyAccess
    created_by: str
    """Name of the user."""
    create_time: datetime
    expire_time: datetime | None
    last_used_time: datetime | None
    revoke_time: datetime | None


@dataclass(frozen=True, slots=True)
class WorkspaceKey:
    """A key that acts for its owner. The secret itself is not known."""

    id: str
    """UUID, by which people and programs name the key."""
    number: int
    """Row, which `Caller.credential_id` names."""
    organization_id: int
    user_id: int
    name: str
    prefix: str
    scopes: tuple[str, ...]
    """As asked for, each once, in the order of `SCOPES`; empty: not narrowed."""
    create_time: datetime
    expire_time: datetime | None
    last_used_time: datetime | None
    revoke_time: datetime | None


def expand_scopes(scopes: Iterable[str]) -> frozenset[str] | None:
    """The scopes with the `read` scopes that `write` ones include; None when there are none, which narrows nothing."""
    asked = frozenset(scopes)
    included = (f"{area}:read" for area in READ_WRITE_AREAS if f"{area}:write" in asked)
    return asked.union(included) or None
