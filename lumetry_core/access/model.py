"""Users, roles and credentials as values, and what can be decided about them without a store."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from lumetry_core.runtime.caller import CredentialKind, Permission
from lumetry_core.runtime.errors import Fault, LumetryError, Reason

CREDENTIALS_CHANNEL = "credentials"
"""Woken when a credential dies before its time."""

ADMIN_ROLE = "Admin"
LOCAL_PROVIDER = "Local"
OIDC_PROVIDER = "Oidc"

BUILT_IN_ROLES: Mapping[str, frozenset[Permission]] = {
    ADMIN_ROLE: frozenset(Permission),
    "Engineer": frozenset(
        {
            Permission.VIEW_ALERTS,
            Permission.MANAGE_RULES,
            Permission.MANAGE_INTEGRATIONS,
            Permission.MANAGE_INFRASTRUCTURE,
            Permission.MANAGE_ALERT_PROFILES,
            Permission.ACKNOWLEDGE_ALERTS,
            Permission.CLOSE_ALERTS,
            Permission.INGEST_LOGS,
            Permission.VIEW_LOGS,
            Permission.MANAGE_WORKSPACE,
        }
    ),
    "Operator": frozenset({Permission.VIEW_ALERTS, Permission.ACKNOWLEDGE_ALERTS, Permission.CLOSE_ALERTS, Permission.VIEW_LOGS}),
    "Viewer": frozenset({Permission.VIEW_ALERTS}),
    "Ingest": frozenset({Permission.INGEST_METRICS, Permission.INGEST_LOGS}),
}
"""The roles of every organization (contract lumetry 3.2). They follow the product, so no row repeats their permissions."""

SECRET = re.compile(r"(lmt_|lmtc_|lmte_|lmts_|lmta_|lmtae_|ll_|alm_live_|alm_test_|)[0-9a-f]{48}")
"""Shape of the secrets that authenticate (contracts lumetry 2.1, logs 1.2, workspace 1.3); those of login sessions carry no prefix."""

PREFIX_OF: Mapping[CredentialKind, str] = {
    CredentialKind.INTERACTIVE: "",
    CredentialKind.API_TOKEN: "lmt_",
    CredentialKind.COLLECTOR: "lmtc_",
    CredentialKind.COLLECTOR_ENROLLMENT: "lmte_",
    CredentialKind.EXTERNAL_SOURCE: "lmts_",
    CredentialKind.LOG_KEY: "ll_",
    CredentialKind.AGENT: "lmta_",
    CredentialKind.AGENT_ENROLLMENT: "lmtae_",
}
LIVE_KEY_PREFIX, TEST_KEY_PREFIX = "alm_live_", "alm_test_"
"""Of workspace keys: a deployment in production mints and takes live ones alone, any other test ones (contract workspace 1.3)."""
KIND_OF: Mapping[str, CredentialKind] = {
    **{prefix: kind for kind, prefix in PREFIX_OF.items()},
    LIVE_KEY_PREFIX: CredentialKind.WORKSPACE_KEY,
    TEST_KEY_PREFIX: CredentialKind.WORKSPACE_KEY,
}

USERNAME = re.compile(r"[A-Za-z0-9._@-]{3,64}")
MAX_USERNAME_LENGTH = 64
MIN_PASSWORD_LENGTH = 12
MAX_PASSWORD_LENGTH = 1024
"""Nobody's password is longer, and hashing more would be work for strangers."""
MAX_NAME_LENGTH = 100
MAX_ROLE_NAME_LENGTH = 64
MAX_DESCRIPTION_LENGTH = 500
MAX_SLUG_LENGTH = 64
MAX_EMAIL_LENGTH = 254
AUDIT_DAYS = 400
"""How long audit rows are kept unless configured (contract lumetry 20)."""


@dataclass(frozen=True, slots=True)
class RateSettings:
    """How often callers may call (contract lumetry 20)."""

    ingest_per_second: int = 2000
    """Signals per credential: calls that push, or batches of those that hold several. Twice as many at once."""
    other_per_second: int = 200
    """Other calls per credential. Twice as many at once."""
    organization_factor: int = 10
    """How many times as much as one credential its organization may."""
    login_per_minute: int = 10
    """Login attempts per user name and client address."""

    def __post_init__(self) -> None:
        for name in ("ingest_per_second", "other_per_second", "organization_factor", "login_per_minute"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")


@dataclass(frozen=True, slots=True)
class Settings:
    """How long logins live (contract lumetry 20)."""

    access_token_minutes: int = 15
    refresh_token_days: int = 30

    def __post_init__(self) -> None:
        if not 1 <= self.access_token_minutes <= 60:
            raise ValueError("access_token_minutes must be between 1 and 60")
        if not 1 <= self.refresh_token_days <= 90:
            raise ValueError("refresh_token_days must be between 1 and 90")

    @property
    def access_token_duration(self) -> timedelta:
        """Life of an access token."""
        return timedelta(minutes=self.access_token_minutes)

    @property
    def refresh_token_duration(self) -> timedelta:
        """Life of a refresh token, and of a login session that is not refreshed."""
        return timedelta(days=self.refresh_token_days)


@dataclass(frozen=True, slots=True)
class Organization:
    """What every other row belongs to. `name` is unique in the deployment, ignoring case."""

    id: int
    name: str
    slug: str
    """The name as it stands in addresses, unique in the deployment; made once."""
    create_time: datetime


@dataclass(frozen=True, slots=True)
class Role:
    """A named set of permissions of one organization."""

    id: int
    organization_id: int
    name: str
    """Unique in the organization, ignoring case."""
    description: str | None
    is_built_in: bool
    permissions: frozenset[Permission]
    user_count: int
    """Users who have it, inactive ones included."""
    create_time: datetime
    update_time: datetime


@dataclass(frozen=True, slots=True)
class User:
    """A person or program with a login name, unique in the deployment, ignoring case."""

    id: int
    organization_id: int
    username: str
    email: str | None
    display_name: str | None
    auth_provider_type: str
    is_active: bool
    roles: tuple[str, ...]
    """Names, ascending."""
    create_time: datetime
    last_login_time: datetime | None


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to be created, as asked for. Without a password the user logs in through the identity provider only."""

    username: str
    roles: tuple[str, ...]
    password: str | None = None
    email: str | None = None
    display_name: str | None = None


@dataclass(frozen=True, slots=True)
class UserChange:
    """What a user is to become, as asked for: the whole, but without a password the one there is stays."""

    roles: tuple[str, ...]
    is_active: bool | None
    """Required; None is a fault of who asks."""
    password: str | None = None
    email: str | None = None
    display_name: str | None = None


@dataclass(frozen=True, slots=True)
class LoginCandidate:
    """The user behind a login name, and what a password is checked against."""

    user_id: int
    organization_id: int
    username: str
    password_hash: str | None
    is_active: bool


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A long-lived credential of a user. The secret itself is not known."""

    id: int
    organization_id: int
    user_id: int
    name: str
    prefix: str
    permissions: frozenset[Permission] | None
    """What it is narrowed to; None: not narrowed."""
    create_time: datetime
    expire_time: datetime | None
    last_used_time: datetime | None
    revoke_time: datetime | None


@dataclass(frozen=True, slots=True)
class TokenPair:
    """The secrets of a login session, known only here and to the one who logs in."""

    access_token: str
    expire_time: datetime
    """End of `access_token`."""
    refresh_token: str


@dataclass(frozen=True, slots=True)
class CollectorCredential:
    """A credential of a collector or, by its kind, the token that enrolls it."""

    id: int
    organization_id: int
    collector_id: str
    kind: CredentialKind
    prefix: str
    create_time: datetime
    expire_time: datetime | None
    last_used_time: datetime | None
    revoke_time: datetime | None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One audited action as it is stored. The JSON texts hold no secrets; None: not applicable."""

    action: str
    entity_type: str
    entity_id: str
    old_values_json: str | None
    new_values_json: str | None
    actor_user_id: int | None
    actor_name: str | None
    address: str | None
    user_agent: str | None
    correlation_id: str | None
    create_time: datetime


def name_key(name: str) -> str:
    """The form of a name that must be unique where case does not matter."""
    return name.lower()


def slug_of(name: str) -> str:
    """A name as it may stand in addresses: letters without their marks, digits and single hyphens, at least one character."""
    plain = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_SLUG_LENGTH].rstrip("-") or "organization"


def kind_of_secret(secret: str) -> CredentialKind | None:
    """The kind of credential that a secret claims to be; None when it cannot be one."""
    match = SECRET.fullmatch(secret)
    return KIND_OF[match.group(1)] if match else None


def workspace_key_prefix(*, production: bool) -> str:
    """What the workspace keys of a deployment start with."""
    return LIVE_KEY_PREFIX if production else TEST_KEY_PREFIX


def permissions_of_role(name: str, stored: Iterable[str] | None) -> frozenset[Permission]:
    """The permissions of a role; `stored` is None for built-in ones. A permission this release does not know grants nothing."""
    if stored is None:
        return BUILT_IN_ROLES.get(name, frozenset())
    return read_permissions(stored)


def read_permissions(names: Iterable[str]) -> frozenset[Permission]:
    """The permissions of these names; unknown names are left out."""
    return frozenset(permission for name in names if (permission := PERMISSION_BY_NAME.get(name)))


def in_order(permissions: Collection[Permission]) -> tuple[Permission, ...]:
    """The permissions in the order in which they are listed to people (contract lumetry 3.1)."""
    return tuple(permission for permission in Permission if permission in permissions)


PERMISSION_BY_NAME: Mapping[str, Permission] = {permission.value: permission for permission in Permission}


def unauthenticated() -> LumetryError:
    """The one failure of every credential that does not work, whatever is wrong with it."""
    return LumetryError(Reason.UNAUTHENTICATED, "The credentials are missing, wrong, expired or revoked.")


def invalid(path: str, message: str) -> LumetryError:
    """The failure of a request whose one fault only the store could find."""
    return LumetryError(Reason.VALIDATION_FAILED, "The request is not valid.", faults=(Fault(path, message),))
