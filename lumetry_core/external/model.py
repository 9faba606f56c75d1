"""Sources, definitions, transitions and occurrences (contract lumetry 13)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

import msgspec

from lumetry_core.rules.model import Severity
from lumetry_core.runtime.clock import from_ms

QUEUE = "external"
MAX_TRANSITIONS = 1000
"""In one request (contract lumetry 13.4)."""
MAX_BODY_BYTES = 1024 * 1024


class ProviderType(StrEnum):
    """Whose bodies a source sends."""

    GENERIC = "GENERIC"
    ALERTMANAGER = "ALERTMANAGER"
    GRAFANA = "GRAFANA"
    ZABBIX = "ZABBIX"


class TransitionState(StrEnum):
    """What an alarm entered."""

    FIRING = "Firing"
    RESOLVED = "Resolved"


@dataclass(frozen=True, slots=True)
class Source:
    """An external alert source. The counts tell of processed transitions, without duplicates."""

    id: int
    organization_id: int
    key: str
    name: str
    provider_type: ProviderType
    is_enabled: bool
    severity_mapping: Mapping[str, Severity]
    """By the provider's word."""
    mapped_count: int
    unmapped_count: int
    create_time: datetime
    update_time: datetime

    @property
    def webhook_path(self) -> str:
        """Where it delivers."""
        return f"/v1/alert-sources/{self.key}/events"

    @property
    def coverage_percent(self) -> float | None:
        """How much of what was processed was mapped, to one decimal; None before anything was."""
        processed = self.mapped_count + self.unmapped_count
        return round(100 * self.mapped_count / processed, 1) if processed else None

    def severity_of(self, word: str | None) -> Severity:
        """What a word of the provider means, ignoring case; without one, or with an unknown one, `Warning`."""
        if word is None:
            return Severity.WARNING
        wanted = word.lower()
        return next((severity for known, severity in self.severity_mapping.items() if known.lower() == wanted), Severity.WARNING)


@dataclass(frozen=True, slots=True)
class Health:
    """How the deliveries of a source go. `rejections_in_row` counts the rejected requests since the last that succeeded."""

    receive_time: datetime | None = None
    accepted_count: int = 0
    rejected_count: int = 0
    rejections_in_row: int = 0
    last_error: str | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """What a provider's alarm definition stands for in the topology; a disabled one counts as absent."""

    id: int
    organization_id: int
    source_id: int
    key: str
    node_id: int
    display_name: str | None
    is_enabled: bool
    create_time: datetime
    update_time: datetime


@dataclass(frozen=True, slots=True)
class Unmapped:
    """Transitions of a definition that nobody mapped, since it last was mapped."""

    definition_key: str
    count: int
    state: TransitionState
    severity: str | None
    title: str | None
    first_seen_time: datetime
    last_seen_time: datetime


class Transition(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An alarm that entered a state, in the words that all providers share. Travels through the queue as an array."""

    definition_key: str
    instance_key: str | None
    occurrence_key: str
    event_id: str | None
    """The provider's own identity of the event."""
    state: TransitionState
    severity: str | None
    """The provider's word."""
    title: str | None
    description: str | None
    occurred_ms: int
    labels: dict[str, str]

    @property
    def occurred_time(self) -> datetime:
        """When it entered the state."""
        return from_ms(self.occurred_ms)

    @property
    def occurrence(self) -> str:
        """Identity of the occurrence within its source."""
        return digest(self.definition_key, self.instance_key or "", self.occurrence_key)

    @property
    def event(self) -> str:
        """Identity of the event within its source: the provider's own, else what makes it what it is (contract lumetry 13.4)."""
        if self.event_id is not None:
            return digest(self.event_id)
        return digest(self.definition_key, self.instance_key or "", self.occurrence_key, self.state, str(self.occurred_ms))


def digest(*parts: str) -> str:
    """Half of a SHA-256 in hexadecimal: as short as identity allows, whatever the length of keys. Text never contains the separator."""
    return sha256("\0".join(parts).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One cycle of an alarm, from firing to recovery, as far as it is known.

    `state` is Resolved for good once that was seen. Title, description, severity and labels are those of the newest Firing by its own
    time, `occurred_time`; without any Firing they are empty. `alert_id` is the alert that it opened.
    """

    identity: str
    definition_key: str
    instance_key: str | None
    occurrence_key: str
    state: TransitionState
    severity: str | None
    title: str | None
    description: str | None
    labels: Mapping[str, str]
    occurred_time: datetime
    alert_id: int | None
