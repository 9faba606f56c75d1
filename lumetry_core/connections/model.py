"""What all connections have in common."""

import hashlib
import re
import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lumetry_core.access.redaction import redact_text

MAX_ERROR = 500
ADDRESS = re.compile(r"""[a-zA-Z][a-zA-Z0-9+.-]*://[^\s'"<>]*[^\s'"<>:.,;)]""")
PATH = re.compile(r"(?<![\w.])/(?:[\w.-]+/)+[\w.-]*")
HIDDEN = "•••"


class Direction(StrEnum):
    """Which way signals go."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class Status(StrEnum):
    """How a connection fares."""

    CONNECTED = "connected"
    ERROR = "error"
    DISABLED = "disabled"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Resource:
    """What a connection is to the contract family that manages it."""

    family: str
    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Health:
    """When a connection last worked and failed, and how, as far as its area knows."""

    success_time: datetime | None = None
    error_time: datetime | None = None
    error: str | None = None
    is_failing: bool = False
    """The failure is newer than the success."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A connection, without addresses and secrets. `id` is a UUID, the same for life."""

    id: str
    organization_id: int
    connector: str
    name: str
    direction: Direction
    status: Status
    health: Health
    resource: Resource
    create_time: datetime
    update_time: datetime


@dataclass(frozen=True, slots=True)
class ConnectionFilter:
    """Which connections are listed; None: whatever they are."""

    direction: Direction | None = None
    connector: str | None = None
    status: Status | None = None

    def takes(self, connection: Connection) -> bool:
        """Whether a connection is listed."""
        return (
            self.direction in (None, connection.direction)
            and self.connector in (None, connection.connector)
            and self.status in (None, connection.status)
        )


def identity_of(organization_id: int, resource: Resource) -> str:
    """The UUID of the connection that an object of an organization is, the same everywhere and always."""
    text = f"lumetry connection {organization_id} {resource.type} {resource.id}"
    return str(uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=4))


def judge(health: Health, *, is_enabled: bool) -> Status:
    """How a connection fares: the newer of success and failure decides."""
    if not is_enabled:
        return Status.DISABLED
    if health.is_failing:
        return Status.ERROR
    return Status.UNKNOWN if health.success_time is None else Status.CONNECTED


def hide_addresses(error: str | None) -> str | None:
    """A failure for people who may not know where a connection leads."""
    if error is None:
        return None
    return PATH.sub(HIDDEN, ADDRESS.sub(HIDDEN, redact_text(error)))[:MAX_ERROR]
