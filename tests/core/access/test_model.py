import pytest

from lumetry_core.access.model import BUILT_IN_ROLES, RateSettings, Settings, in_order, kind_of_secret, permissions_of_role, slug_of
from lumetry_core.runtime.caller import CredentialKind, Permission

HEX = "0123456789abcdef" * 3


@pytest.mark.parametrize(
    ("secret", "kind"),
    [
        (HEX, CredentialKind.INTERACTIVE),
        (f"lmt_{HEX}", CredentialKind.API_TOKEN),
        (f"lmtc_{HEX}", CredentialKind.COLLECTOR),
        (f"lmte_{HEX}", CredentialKind.COLLECTOR_ENROLLMENT),
        (f"lmta_{HEX}", CredentialKind.AGENT),
        (f"lmtae_{HEX}", CredentialKind.AGENT_ENROLLMENT),
        (f"lmts_{HEX}", CredentialKind.EXTERNAL_SOURCE),
        (f"ll_{HEX}", CredentialKind.LOG_KEY),
        (f"alm_live_{HEX}", CredentialKind.WORKSPACE_KEY),
        (f"alm_test_{HEX}", CredentialKind.WORKSPACE_KEY),
        (f"alm_{HEX}", None),
        (f"lmtx_{HEX}", None),
        (f"lmt_{HEX}0", None),
        (f"lmt_{HEX.upper()}", None),
        (f"lmt_{HEX}\n", None),
        ("", None),
    ],
)
def test_kind_of_secret_by_shape(secret: str, kind: CredentialKind | None) -> None:
    """Prefix and length decide; what has another shape is no secret of ours."""
    assert kind_of_secret(secret) is kind


@pytest.mark.parametrize(
    ("name", "stored", "permissions"),
    [
        ("Admin", None, frozenset(Permission)),
        ("Viewer", None, {Permission.VIEW_ALERTS}),
        ("Gone", None, frozenset()),
        ("Own", ["CanViewLogs", "CanFly"], {Permission.VIEW_LOGS}),
    ],
)
def test_permissions_of_role_by_kind(name: str, stored: list[str] | None, permissions: frozenset[Permission]) -> None:
    """Built-in roles follow the product, others what is stored; unknown permissions grant nothing."""
    assert permissions_of_role(name, stored) == permissions


def test_built_in_roles_as_documented() -> None:
    """Names and permissions are those of contract lumetry 3.2."""
    assert {name: [permission.value for permission in in_order(permissions)] for name, permissions in BUILT_IN_ROLES.items()} == {
        "Admin": [permission.value for permission in Permission],
        "Engineer": [
            "CanViewAlerts",
            "CanManageRules",
            "CanManageIntegrations",
            "CanManageInfrastructure",
            "CanManageAlertProfiles",
            "CanAcknowledgeAlerts",
            "CanCloseAlerts",
            "CanIngestLogs",
            "CanViewLogs",
            "CanManageWorkspace",
        ],
        "Operator": ["CanViewAlerts", "CanAcknowledgeAlerts", "CanCloseAlerts", "CanViewLogs"],
        "Viewer": ["CanViewAlerts"],
        "Ingest": ["CanIngestMetrics", "CanIngestLogs"],
    }


@pytest.mark.parametrize(
    ("name", "slug"),
    [("Default", "default"), ("  Société Générale, S.A. ", "societe-generale-s-a"), ("東京", "organization"), ("a" * 70, "a" * 64)],
)
def test_slug_of_names(name: str, slug: str) -> None:
    """What addresses can carry is kept of a name."""
    assert slug_of(name) == slug


@pytest.mark.parametrize("values", [{"access_token_minutes": 0}, {"access_token_minutes": 61}, {"refresh_token_days": 91}])
def test_settings_out_of_range(values: dict[str, int]) -> None:
    """Values outside the documented range are refused."""
    with pytest.raises(ValueError, match="must be between"):
        Settings(**values)


def test_rate_settings_out_of_range() -> None:
    """At least one attempt per minute must be possible."""
    with pytest.raises(ValueError, match="at least 1"):
        RateSettings(login_per_minute=0)
