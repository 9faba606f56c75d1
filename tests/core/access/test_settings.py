from dataclasses import fields, replace

import pytest

from lumetry_core.access.settings import BY_FIELD, SETTINGS, OrganizationSettings, Setting, SettingsChange, check_change, to_contract
from lumetry_core.runtime.errors import Fault, LumetryError, Reason


def test_settings_are_those_of_the_contract() -> None:
    """Names, ranges and defaults stand as documented (contract lumetry 20), and every field has its setting."""
    assert [(setting.path, setting.least, setting.most, setting.can_be_off) for setting in SETTINGS] == [
        ("evaluation.graceSeconds", 0, 3600, False),
        ("catalog.staleAfterHours", 1, 720, False),
        ("fleet.stalenessSeconds", 30, 3600, False),
        ("fleet.memberGoneMinutes", 5, 10080, False),
        ("correlation.windowMinutes", 1, 1440, False),
        ("incidents.reopenSettleMinutes", 0, 1440, False),
        ("incidents.reopenHorizonMinutes", 0, 10080, False),
        ("incidents.persistenceThresholdMinutes", 1, 10080, False),
        ("incidents.autoResolveAfterMinutes", 1, 10080, True),
        ("agents.maxSeries", 100, 20000, False),
    ]
    assert list(BY_FIELD) == [field.name for field in fields(OrganizationSettings)]
    assert to_contract(OrganizationSettings()) == {
        "evaluation": {"graceSeconds": 120},
        "catalog": {"staleAfterHours": 24},
        "fleet": {"stalenessSeconds": 180, "memberGoneMinutes": 60},
        "correlation": {"windowMinutes": 30},
        "incidents": {
            "reopenSettleMinutes": 10,
            "reopenHorizonMinutes": 60,
            "persistenceThresholdMinutes": 120,
            "autoResolveAfterMinutes": None,
        },
        "agents": {"maxSeries": 2000},
    }


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.path)
def test_check_change_at_the_ends_of_a_range(setting: Setting) -> None:
    """Both ends belong to the range, what is next to them does not."""
    for value in (setting.least, setting.most):
        check_change(SettingsChange({setting.field: value}))
    for value in (setting.least - 1, setting.most + 1):
        with pytest.raises(LumetryError) as refused:
            check_change(SettingsChange({setting.field: value}))
        assert refused.value.faults == (Fault(setting.path, f"must be between {setting.least} and {setting.most}"),)


def test_check_change_names_every_fault() -> None:
    """Values that are off where nothing can be, unknown names, and a setting that is both given and unset are told together."""
    values = {"evaluation_grace_seconds": 3601, "fleet_staleness_seconds": None, "incidents_auto_resolve_after_minutes": None}
    with pytest.raises(LumetryError) as refused:
        check_change(SettingsChange(values, ("agents.maxSeries", "auth.accessTokenMinutes", "evaluation.graceSeconds")))
    assert refused.value.reason is Reason.VALIDATION_FAILED
    assert refused.value.faults == (
        Fault("evaluation.graceSeconds", "must be between 0 and 3600"),
        Fault("fleet.stalenessSeconds", "must have a value"),
        Fault("unset[1]", "auth.accessTokenMinutes is not a setting of organizations"),
        Fault("unset[2]", "evaluation.graceSeconds is given a value as well"),
    )


def test_spans_of_settings() -> None:
    """What others calculate with is a span."""
    settings = replace(OrganizationSettings(), correlation_window_minutes=90, catalog_stale_after_hours=2)
    assert (settings.correlation_window.total_seconds(), settings.stale_after.total_seconds()) == (5400, 7200)
