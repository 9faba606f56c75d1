"""What an export comes to: monitors and channels to make, and what is left out, each with what people should know of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What can be made."""

    CHANNEL = "channel"
    CERTIFICATE = "certificate"
    ENDPOINT = "endpoint"
    HEARTBEAT = "heartbeat"


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a check is made and how long it may take, in seconds; after how many results in a row it alerts and recovers."""

    interval: int
    timeout: int
    failure_threshold: int
    recovery_threshold: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointPlan:
    """A check of an address."""

    name: str
    endpoint_type: str
    """`http` or `tcp`."""
    target: str
    pace: Pace
    method: str = "GET"
    expected_status: str = "2xx"
    tls_verify: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)
    max_redirects: int = 5
    remarks: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """What it is."""
        return Kind.ENDPOINT

    @property
    def title(self) -> str:
        """What people know it by."""
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatPlan:
    """A job that calls. Spans are seconds."""

    name: str
    interval: int
    grace: int
    remarks: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """What it is."""
        return Kind.HEARTBEAT

    @property
    def title(self) -> str:
        """What people know it by."""
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificatePlan:
    """A certificate, with the days before its end on which to warn, descending."""

    hostname: str
    port: int
    warning_thresholds: tuple[int, ...]
    remarks: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """What it is."""
        return Kind.CERTIFICATE

    @property
    def title(self) -> str:
        """What people know it by."""
        return f"{self.hostname}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelPlan:
    """Whom to tell. `url`, `headers` and `secret` are never shown."""

    name: str
    type: str
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    secret: str = ""
    priority: int | None = None
    chat_id: str | None = None
    thread_id: int | None = None
    is_enabled: bool = True
    remarks: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """What it is."""
        return Kind.CHANNEL

    @property
    def title(self) -> str:
        """What people know it by."""
        return self.name


Item = ChannelPlan | CertificatePlan | EndpointPlan | HeartbeatPlan


@dataclass(frozen=True, slots=True)
class Left:
    """Something that has no counterpart, and why."""

    title: str
    reason: str


@dataclass(slots=True)
class Plan:
    """All that comes of an export."""

    origin: str
    """The product, with its version where the export tells it."""
    items: list[Item] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    """On the whole."""

    def leave(self, title: str, reason: str) -> None:
        """Notes what has no counterpart."""
        self.left.append(Left(title, reason))

    def add(self, item: Item) -> None:
        """Adds what is to be made; a second one of a kind and title is left."""
        if any(known.kind is item.kind and known.title.casefold() == item.title.casefold() for known in self.items):
            if item.kind is not Kind.CERTIFICATE:
                self.leave(item.title, f"there is another {item.kind} of this name in the file")
            return
        self.items.append(item)


class ExportError(Exception):
    """An export that cannot be read; the message is for people."""
