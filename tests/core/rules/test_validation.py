from collections.abc import Callable
from typing import Any

import pytest

from lumetry_core.rules.draft import LevelDraft, RuleDraft, StrategyDraft
from lumetry_core.rules.model import AlertLevel, ConditionOperator, Definition, Direction, RuleStatus, RuleType, Severity
from lumetry_core.rules.validation import check_rule
from lumetry_core.runtime.errors import Faults, LumetryError

Build = Callable[..., RuleDraft]


def find_faults(draft: RuleDraft) -> list[tuple[str, str]]:
    faults = Faults()
    check_rule(draft, faults)
    try:
        faults.raise_if_any()
    except LumetryError as error:
        return [(fault.path, fault.message) for fault in error.faults]
    return []


def paths(draft: RuleDraft) -> list[str]:
    return [path for path, _ in find_faults(draft)]


def test_check_rule_fills_in_every_default(draft: Build) -> None:
    """Only what is required needs to be sent."""
    faults = Faults()
    assert check_rule(draft(name="  CPU high "), faults) == Definition(
        name="CPU high",
        alert_name="CPU high",
        description=None,
        status=RuleStatus.ACTIVE,
        metric_key="cpu",
        type=RuleType.STATIC,
        threshold_mode=None,
        window_minutes=5,
        tolerance_percent=None,
        stddev_multiplier=None,
        direction=Direction.ABOVE,
        static_upper=90.0,
        static_lower=None,
        scope={},
        baseline_profile_id=None,
        condition_operator=ConditionOperator.ALL,
        levels=(AlertLevel(0, Severity.WARNING, trigger_count=1, trigger_window_minutes=1, recovery_minutes=5),),
        auto_recover=True,
        alerting_profile_id=None,
    )
    assert not faults


def test_check_rule_reads_one_condition_instead_of_the_flat_fields(draft: Build) -> None:
    """With a condition the flat strategy counts for nothing, not even its faults."""
    condition = StrategyDraft(metric_key="disk", type="Static", direction="Below", static_lower=5.0, scope={"mount": "/"})
    faults = Faults()
    found = check_rule(draft(type="nonsense", conditions=(condition,)), faults)
    assert not faults
    assert (found.metric_key, found.direction, found.static_upper, found.static_lower, found.scope) == (
        "disk",
        Direction.BELOW,
        None,
        5.0,
        {"mount": "/"},
    )


def test_check_rule_sorts_levels(draft: Build) -> None:
    """Warning comes first, whatever the order in the request."""
    levels = (LevelDraft(severity="Critical", static_upper=95), LevelDraft(severity="Warning", trigger_count=3))
    found = check_rule(draft(levels=levels), Faults())
    assert found.levels == (AlertLevel(0, Severity.WARNING, trigger_count=3), AlertLevel(0, Severity.CRITICAL, static_upper=95))


def test_check_rule_accepts_numbers_at_their_bounds(draft: Build) -> None:
    """Ranges include both ends, and a recovery limit may equal the breach limit."""
    low = LevelDraft(
        severity="Warning", trigger_count=1, trigger_window_minutes=1, recovery_minutes=0, recovery_upper=90, tolerance_percent=0
    )
    high = LevelDraft(severity="Critical", trigger_count=1000, trigger_window_minutes=1440, recovery_minutes=1440, static_upper=90)
    assert find_faults(draft(name="x" * 200, window_minutes=1440, levels=(low, high))) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": "  "}, ["name"]),
        ({"name": "x" * 201}, ["name"]),
        ({"alert_name": " "}, ["alertName"]),
        ({"description": "a\0b"}, ["description"]),
        ({"status": "active"}, ["status"]),
        ({"type": "", "direction": ""}, ["type", "direction"]),
        ({"threshold_mode": "Stddev"}, ["thresholdMode"]),
        ({"window_minutes": 0}, ["windowMinutes"]),
        ({"window_minutes": 1441}, ["windowMinutes"]),
        ({"tolerance_percent": -1.0, "stddev_multiplier": 0.0}, ["tolerancePercent", "stddevMultiplier"]),
        ({"static_upper": float("nan")}, ["staticUpper"]),
        ({"static_upper": None}, ["staticUpper"]),
        ({"direction": "Below"}, ["staticLower"]),
        ({"direction": "Both", "static_upper": None}, ["staticUpper", "staticLower"]),
        ({"direction": "Both", "static_lower": 91.0}, ["staticLower"]),
        ({"scope": {" ": "x"}}, ["scope"]),
        ({"condition_operator": "Or"}, ["conditionOperator"]),
        ({"baseline_profile_id": 1, "alerting_profile_id": 2}, ["baselineProfileId", "alertingProfileId"]),
        ({"levels": (LevelDraft(severity="critical"),)}, ["alertLevels[0].severity"]),
        ({"levels": (LevelDraft(severity="Warning"), LevelDraft(severity="Warning"))}, ["alertLevels[1].severity"]),
        (
            {"levels": (LevelDraft(severity="Warning", trigger_count=0, trigger_window_minutes=0, recovery_minutes=-1),)},
            ["alertLevels[0].triggerCount", "alertLevels[0].triggerWindowMinutes", "alertLevels[0].recoveryMinutes"],
        ),
        (
            {"levels": (LevelDraft(severity="Warning"), LevelDraft(severity="Critical", static_upper=80))},
            ["alertLevels[1].staticUpper"],
        ),
        (
            {
                "direction": "Below",
                "static_lower": 10,
                "levels": (LevelDraft(severity="Critical", static_lower=12), LevelDraft(severity="Warning")),
            },
            ["alertLevels[0].staticLower"],
        ),
        ({"levels": (LevelDraft(severity="Warning", recovery_upper=91),)}, ["alertLevels[0].recoveryUpper"]),
        ({"levels": (LevelDraft(severity="Warning", recovery_lower=5),)}, ["alertLevels[0].recoveryLower"]),
        (
            {"direction": "Both", "static_lower": 10, "levels": (LevelDraft(severity="Warning", recovery_lower=9),)},
            ["alertLevels[0].recoveryLower"],
        ),
        (
            {"direction": "Both", "static_lower": 10, "levels": (LevelDraft(severity="Warning", recovery_lower=60, recovery_upper=50),)},
            ["alertLevels[0].recoveryLower"],
        ),
        (
            {"levels": (LevelDraft(severity="Warning", recovery_tolerance_percent=5, recovery_stddev_multiplier=1),)},
            ["alertLevels[0].recoveryTolerancePercent", "alertLevels[0].recoveryStddevMultiplier"],
        ),
    ],
)
def test_check_rule_names_each_fault(draft: Build, changes: dict[str, Any], expected: list[str]) -> None:
    """Every fault is reported under its path in the contract."""
    assert paths(draft(**changes)) == expected


def test_check_rule_collects_all_faults(draft: Build) -> None:
    """One answer names everything that is wrong."""
    assert paths(draft(name="", status="x", window_minutes=0, levels=(LevelDraft(severity="x"),))) == [
        "name",
        "status",
        "windowMinutes",
        "alertLevels[0].severity",
    ]


def test_check_rule_takes_limits_of_levels_where_the_rule_has_none(draft: Build) -> None:
    """The rule's limit is needed only by levels without one."""
    both = (LevelDraft(severity="Warning", static_upper=80), LevelDraft(severity="Critical", static_upper=90))
    assert paths(draft(static_upper=None, levels=both)) == []
    assert paths(draft(static_upper=None, levels=(both[0], LevelDraft(severity="Critical")))) == ["staticUpper"]


def test_check_rule_refuses_what_needs_baselines(draft: Build) -> None:
    """A dynamic rule is a clear fault, and its other faults are named too."""
    assert find_faults(draft(type="Dynamic", threshold_mode="Stddev")) == [
        ("type", "dynamic rules need baselines, which this version does not have yet"),
        ("stddevMultiplier", "is needed for Stddev"),
    ]
    assert paths(draft(type="Dynamic")) == ["type", "thresholdMode"]
    assert paths(draft(type="Dynamic", threshold_mode="Envelope")) == ["type", "tolerancePercent"]


def test_check_rule_refuses_compound_rules(draft: Build) -> None:
    """Two conditions are a clear fault; faults inside them, levels and level limits are named too."""
    good = StrategyDraft(metric_key="cpu", type="Static", direction="Above", static_upper=1)
    bad = StrategyDraft(metric_key="cpu", type="Static", direction="Above")
    levels = (LevelDraft(severity="Warning", static_upper=1), LevelDraft(severity="Critical", recovery_upper=1))
    assert find_faults(draft(conditions=(good, good))) == [
        ("conditions", "compound rules are evaluated in cycles, which this version does not have yet")
    ]
    assert paths(draft(conditions=(good, bad), levels=levels)) == [
        "conditions",
        "conditions[1].staticUpper",
        "alertLevels",
        "alertLevels[0].staticUpper",
        "alertLevels[1].recoveryUpper",
    ]
    assert paths(draft(conditions=(good,) * 11)) == ["conditions", "conditions"]
