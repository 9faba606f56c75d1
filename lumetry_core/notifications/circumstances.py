"""What decides whom to tell of a transition, and what is decided: the input and the outcome of `route` (contract lumetry 14.4). Pure.

Live routing fills the facts from the store; whoever replays history fills them from what it simulates, and applies the planned deliveries
to `earlier`, `last_opening` and `pages` as if they had succeeded.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from lumetry_core.alerts.decisions import Decision, Gate, Record, Transition
from lumetry_core.alerts.model import Alert
from lumetry_core.incidents.model import Incident
from lumetry_core.notifications.delivery import Cause, DeliveryStatus
from lumetry_core.notifications.model import Integration, Profile
from lumetry_core.rules.model import Severity


class Step(StrEnum):
    """Which step of the routing order chose."""

    RULE = "rule"
    DEFAULT = "default"
    FALLBACK = "fallback"


@dataclass(frozen=True, slots=True)
class Choice:
    """Where the routing order ends. Without profile it is the fallback."""

    step: Step
    profile: Profile | None
    integrations: tuple[Integration, ...]

    @property
    def profile_id(self) -> int | None:
        """The profile's number."""
        return None if self.profile is None else self.profile.id

    @property
    def record(self) -> Record:
        """The choice as a deciding record."""
        if self.profile is None:
            return Record("Deployment", "fallback", self.integrations[0].name)
        return Record("AlertingProfile", str(self.profile.id), self.profile.name)


@dataclass(frozen=True, slots=True)
class Cover:
    """A maintenance window or silence that holds a transition back. `until` None: its end is not known."""

    record: Record
    reason: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Told:
    """What became of an earlier transition of the alert at an integration."""

    delivery_id: int
    profile_id: int | None
    status: DeliveryStatus
    severity: Severity
    reason: Cause | None = None

    @property
    def is_told(self) -> bool:
        """Whether it was delivered, or is being delivered."""
        return self.status in (DeliveryStatus.SUCCESS, DeliveryStatus.PENDING)


@dataclass(frozen=True, slots=True)
class LastOpening:
    """The newest delivered opening with the same cooldown key."""

    delivery_id: int
    alert_id: int
    time: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """An opening that was told, or is being told, of another alert of the incident that is still active."""

    alert_id: int
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that decides about one transition.

    Args:
        alert: As it was at the transition; for what was held back, as it is now.
        now: Time of the decision.
        choice: What the routing order gives (`choose`); None: nothing is configured.
        profiles: By number, to close under the profile that opened.
        integrations: By number, the fallback included.
        window: The maintenance window that covers the alert.
        silence: A silence that matches it.
        last_opening: Looked up by `cooldown_key`; only profiles with a cooldown need it.
        earlier: Of this alert, by integration and transition told.
        pages: Of the alert's incident, by integration.
        is_storm: Whether the incident grows so fast that further openings are repetitions.
        holds: The decisions that hold this transition until now, or did earlier, by gate.
    """

    alert: Alert
    transition: Transition
    now: datetime
    choice: Choice | None
    profiles: Mapping[int, Profile] = field(default_factory=dict)
    integrations: Mapping[int, Integration] = field(default_factory=dict)
    incident: Incident | None = None
    window: Cover | None = None
    silence: Cover | None = None
    last_opening: LastOpening | None = None
    earlier: Mapping[tuple[int, Transition], Told] = field(default_factory=dict)
    pages: Mapping[int, Page] = field(default_factory=dict)
    is_storm: bool = False
    holds: Mapping[Gate, Decision] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Planned:
    """A delivery to be made, or noted as not made."""

    integration_id: int
    profile_id: int | None
    transition: Transition
    status: DeliveryStatus
    reason: Cause | None = None
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Routing:
    """What was decided.

    Args:
        gates: From maintenance to route.
        summary: Why nothing is sent; empty when something is.
        hold: Why it waits for a release; None: it does not wait.
        until: When the hold ends by itself, if known.
    """

    gates: tuple[Decision, ...]
    deliveries: tuple[Planned, ...]
    summary: str = ""
    hold: Cause | None = None
    until: datetime | None = None


def choose(
    rule_profile_id: int | None, profiles: Mapping[int, Profile], integrations: Mapping[int, Integration], fallback: Integration | None
) -> Choice | None:
    """The first step of the routing order that leads somewhere: the rule's profile, the default profile, the deployment's fallback."""
    default = next((profile for profile in profiles.values() if profile.is_default), None)
    own = None if rule_profile_id is None else profiles.get(rule_profile_id)
    for step, profile in ((Step.RULE, own), (Step.DEFAULT, default)):
        if profile is not None and profile.is_enabled:
            return Choice(step, profile, tuple(integrations[number] for number in profile.integration_ids if number in integrations))
    return None if fallback is None else Choice(Step.FALLBACK, None, (fallback,))


def cooldown_key(profile_id: int, alert: Alert) -> str:
    """What openings share within a cooldown: the profile, the rule or else the metric or else the external definition, and the member."""
    if alert.rule_id is not None:
        source = f"rule:{alert.rule_id}"
    elif alert.metric_key is not None:
        source = f"metric:{alert.metric_key}"
    elif alert.external_definition_id is not None:
        source = f"external:{alert.external_definition_id}"
    else:
        source = f"monitor:{alert.entity_type}:{alert.entity_id}:{alert.alert_type}"
    return f"{profile_id}|{source}|{alert.dimension_key or ''}"
