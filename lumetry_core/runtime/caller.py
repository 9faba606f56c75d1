"""Who calls. Made by authentication, passed to every verb as an explicit parameter."""

from dataclasses import dataclass
from enum import StrEnum


class Permission(StrEnum):
    """Mirrors `lumetry.access.v1.Permission` under the contract's names, in the order in which they are listed."""

    VIEW_ALERTS = "CanViewAlerts"
    MANAGE_RULES = "CanManageRules"
    INGEST_METRICS = "CanIngestMetrics"
    MANAGE_USERS = "CanManageUsers"
    MANAGE_INTEGRATIONS = "CanManageIntegrations"
    MANAGE_INFRASTRUCTURE = "CanManageInfrastructure"
    MANAGE_ALERT_PROFILES = "CanManageAlertProfiles"
    ACKNOWLEDGE_ALERTS = "CanAcknowledgeAlerts"
    CLOSE_ALERTS = "CanCloseAlerts"
    VIEW_AUDIT_LOGS = "CanViewAuditLogs"
    INGEST_LOGS = "CanIngestLogs"
    VIEW_LOGS = "CanViewLogs"
    MANAGE_WORKSPACE = "CanManageWorkspace"


class CredentialKind(StrEnum):
    """Mirrors `lumetry.access.v1.CredentialKind`."""

    INTERACTIVE = "INTERACTIVE"
    API_TOKEN = "API_TOKEN"  # noqa: S105 -- the name of a kind
    COLLECTOR = "COLLECTOR"
    COLLECTOR_ENROLLMENT = "COLLECTOR_ENROLLMENT"
    EXTERNAL_SOURCE = "EXTERNAL_SOURCE"
    LOG_KEY = "LOG_KEY"
    WORKSPACE_KEY = "WORKSPACE_KEY"
    AGENT = "AGENT"
    AGENT_ENROLLMENT = "AGENT_ENROLLMENT"


class RateClass(StrEnum):
    """Mirrors `lumetry.access.v1.RateClass`."""

    GENERAL = "UNSPECIFIED"
    INGEST = "INGEST"
    SENSITIVE = "SENSITIVE"
    UNLIMITED = "UNLIMITED"


DIRECT_FAMILY = "lumetry"
"""The contract family of calls that came through no gateway."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The authenticated origin of a call, or the system itself."""

    organization_id: int
    kind: CredentialKind | None
    """None: the system."""
    credential_id: int | None = None
    """Row of the credential within its kind's table."""
    user_id: int | None = None
    user_name: str | None = None
    permissions: frozenset[Permission] = frozenset()
    collector_id: str | None = None
    agent_id: int | None = None
    """The host agent behind its credential."""
    enrollment_profile_id: int | None = None
    """The profile behind a token that enrolls host agents."""
    relay_collector_id: str | None = None
    """The collector that says to have relayed the call."""
    source_id: int | None = None
    """The external alert source behind its credential."""
    scopes: frozenset[str] | None = None
    """What a workspace key is narrowed to, `write` scopes with the `read` scopes they include; None: not narrowed."""
    project_id: str | None = None
    """The project of a log key."""
    environment: str | None = None
    """The environment of a log key."""
    stepped_up: bool = False
    """The interactive login is at most 15 minutes old."""
    request_id: str | None = None
    address: str | None = None
    user_agent: str | None = None

    def may(self, permission: Permission) -> bool:
        """Whether the credential carries the permission now."""
        return permission in self.permissions


def system_caller(organization_id: int) -> Caller:
    """The caller behind what the product does by itself."""
    return Caller(organization_id=organization_id, kind=None)
