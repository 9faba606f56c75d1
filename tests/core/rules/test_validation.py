from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lumetry_core.rules.draft import LevelDraft, RuleDraft, StrategyDraft
from lumetry_core.rules.model import (
    AlertLevel,
    ConditionOperator,
    Definition,
    Direction,
    RuleStatus,
    RuleType,
    Severity,
    ThresholdMode,
)
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
        conditions=(),
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


def test_check_rule_accepts_dynamic_rules(draft: Build) -> None:
    """Each mode needs its parameter alone, and keeps it."""
    for mode, field in (("Percentage", "tolerance_percent"), ("Stddev", "stddev_multiplier"), ("Envelope", "tolerance_percent")):
        faults = Faults()
        found = check_rule(draft(type="Dynamic", threshold_mode=mode, static_upper=None, direction="Both", **{field: 3.0}), faults)
        assert not faults
        assert (found.type, found.threshold_mode, getattr(found, field), found.is_compound) == (RuleType.DYNAMIC, mode, 3.0, False)
        assert found.dynamic_metric_keys == ("cpu",)


def test_check_rule_takes_parameters_of_levels_where_the_rule_has_none(draft: Build) -> None:
    """The mode's parameter is needed only by levels without their own."""
    both = (LevelDraft(severity="Warning", stddev_multiplier=3), LevelDraft(severity="Critical", stddev_multiplier=5))
    dynamic = {"type": "Dynamic", "threshold_mode": "Stddev"}
    assert paths(draft(**dynamic, levels=both)) == []
    assert find_faults(draft(**dynamic, levels=(both[0], LevelDraft(severity="Critical")))) == [
        ("stddevMultiplier", "is needed for Stddev")
    ]


PERCENTAGE = {"type": "Dynamic", "threshold_mode": "Percentage", "tolerance_percent": 20.0}
STDDEV = {"type": "Dynamic", "threshold_mode": "Stddev", "stddev_multiplier": 3.0}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"type": "Dynamic"}, [("thresholdMode", "must be one of Percentage, Stddev, Envelope")]),
        ({"type": "Dynamic", "threshold_mode": "stddev"}, [("thresholdMode", "must be one of Percentage, Stddev, Envelope")]),
        ({"type": "Dynamic", "threshold_mode": "Percentage"}, [("tolerancePercent", "is needed for Percentage")]),
        ({"type": "Dynamic", "threshold_mode": "Stddev"}, [("stddevMultiplier", "is needed for Stddev")]),
        ({"type": "Dynamic", "threshold_mode": "Envelope"}, [("tolerancePercent", "is needed for Envelope")]),
        ({**PERCENTAGE, "tolerance_percent": -0.5}, [("tolerancePercent", "must be at least 0")]),
        ({**STDDEV, "stddev_multiplier": 0.0}, [("stddevMultiplier", "must be above 0")]),
        ({**STDDEV, "tolerance_percent": -1.0}, [("tolerancePercent", "must be at least 0")]),
        (
            {**PERCENTAGE, "levels": (LevelDraft(severity="Warning", tolerance_percent=-1, recovery_tolerance_percent=-2),)},
            [
                ("alertLevels[0].tolerancePercent", "must be at least 0"),
                ("alertLevels[0].recoveryTolerancePercent", "must be at least 0"),
            ],
        ),
        (
            {**STDDEV, "levels": (LevelDraft(severity="Warning", stddev_multiplier=0, recovery_stddev_multiplier=0),)},
            [("alertLevels[0].stddevMultiplier", "must be above 0"), ("alertLevels[0].recoveryStddevMultiplier", "must be above 0")],
        ),
        (
            {**PERCENTAGE, "levels": (LevelDraft(severity="Warning"), LevelDraft(severity="Critical", tolerance_percent=19))},
            [("alertLevels[1].tolerancePercent", "must not be below the Warning limit")],
        ),
        (
            {**STDDEV, "levels": (LevelDraft(severity="Critical"), LevelDraft(severity="Warning", stddev_multiplier=3.5))},
            [("alertLevels[0].stddevMultiplier", "must not be below the Warning limit")],
        ),
        (
            {**PERCENTAGE, "levels": (LevelDraft(severity="Warning", recovery_tolerance_percent=21),)},
            [("alertLevels[0].recoveryTolerancePercent", "must not be above tolerancePercent")],
        ),
        (
            {**STDDEV, "levels": (LevelDraft(severity="Warning", stddev_multiplier=2, recovery_stddev_multiplier=2.5),)},
            [("alertLevels[0].recoveryStddevMultiplier", "must not be above stddevMultiplier")],
        ),
        (
            {**PERCENTAGE, "levels": (LevelDraft(severity="Warning", recovery_stddev_multiplier=1),)},
            [("alertLevels[0].recoveryStddevMultiplier", "must not be given for Percentage")],
        ),
        (
            {**STDDEV, "levels": (LevelDraft(severity="Warning", recovery_tolerance_percent=1),)},
            [("alertLevels[0].recoveryTolerancePercent", "must not be given for Stddev")],
        ),
        (
            {
                **STDDEV,
                "levels": (LevelDraft(severity="Warning", static_upper=1, static_lower=0, recovery_upper=1, recovery_lower=0),),
            },
            [
                ("alertLevels[0].staticUpper", "must not be given for a dynamic rule"),
                ("alertLevels[0].staticLower", "must not be given for a dynamic rule"),
                ("alertLevels[0].recoveryUpper", "must not be given for a dynamic rule"),
                ("alertLevels[0].recoveryLower", "must not be given for a dynamic rule"),
            ],
        ),
        ({**PERCENTAGE, "levels": (LevelDraft(severity="Warning", recovery_tolerance_percent=20),)}, []),
        ({**STDDEV, "levels": (LevelDraft(severity="Warning"), LevelDraft(severity="Critical", stddev_multiplier=3))}, []),
        (
            {**STDDEV, "levels": (LevelDraft(severity="x", stddev_multiplier=9), LevelDraft(severity="Critical"))},
            [("alertLevels[0].severity", "must be one of Warning, Critical")],
        ),
        (
            {
                **STDDEV,
                "levels": (
                    LevelDraft(severity="Warning"),
                    LevelDraft(severity="Critical", stddev_multiplier=2),
                    LevelDraft(severity="Critical"),
                ),
            },
            [
                ("alertLevels[2].severity", "must not be Critical twice"),
                ("alertLevels[1].stddevMultiplier", "must not be below the Warning limit"),
            ],
        ),
    ],
)
def test_check_rule_names_each_fault_of_a_dynamic_rule(draft: Build, changes: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """Parameters are there, in range, nested by severity, and not narrower than those of recovery; equality is fine."""
    assert find_faults(draft(**changes)) == expected


STATIC = StrategyDraft(metric_key="cpu", type="Static", direction="Above", static_upper=1)
DYNAMIC = StrategyDraft(metric_key="disk", type="Dynamic", threshold_mode="Envelope", direction="Both", tolerance_percent=10)


def test_check_rule_accepts_compound_rules(draft: Build) -> None:
    """Conditions of both types mix; the flat fields repeat the first one and there is one level."""
    faults = Faults()
    found = check_rule(draft(type="nonsense", conditions=(DYNAMIC, STATIC), condition_operator="Any"), faults)
    assert not faults
    assert found.is_compound
    assert [(one.metric_key, one.type, one.threshold_mode) for one in found.conditions] == [
        ("disk", RuleType.DYNAMIC, ThresholdMode.ENVELOPE),
        ("cpu", RuleType.STATIC, None),
    ]
    assert (found.metric_key, found.type, found.tolerance_percent, found.static_upper) == ("disk", RuleType.DYNAMIC, 10, None)
    assert (found.metric_keys, found.dynamic_metric_keys) == (("disk", "cpu"), ("disk",))
    assert found.levels == (AlertLevel(0, Severity.WARNING),)
    assert paths(draft(conditions=(STATIC,) * 10, levels=(LevelDraft(severity="Critical", trigger_count=3),))) == []


@pytest.mark.parametrize(
    ("conditions", "levels", "expected"),
    [
        ((STATIC,) * 11, (), ["conditions"]),
        ((STATIC, replace(STATIC, static_upper=None)), (), ["conditions[1].staticUpper"]),
        ((replace(STATIC, direction="Both", static_lower=2), STATIC), (), ["conditions[0].staticLower"]),
        ((STATIC, replace(DYNAMIC, tolerance_percent=None)), (), ["conditions[1].tolerancePercent"]),
        ((STATIC, replace(DYNAMIC, threshold_mode="Stddev")), (), ["conditions[1].stddevMultiplier"]),
        ((STATIC, replace(DYNAMIC, threshold_mode=None)), (), ["conditions[1].thresholdMode"]),
        ((replace(STATIC, threshold_mode="Stddev"), DYNAMIC), (), ["conditions[0].thresholdMode"]),
        ((STATIC, StrategyDraft(metric_key="cpu")), (), ["conditions[1].type", "conditions[1].direction"]),
        (
            (STATIC, replace(DYNAMIC, tolerance_percent=-1, stddev_multiplier=-1, static_upper=float("inf"), scope={"": "x"})),
            (),
            [
                "conditions[1].tolerancePercent",
                "conditions[1].stddevMultiplier",
                "conditions[1].staticUpper",
                "conditions[1].scope",
            ],
        ),
        (
            (STATIC, DYNAMIC),
            (LevelDraft(severity="Warning", static_upper=1, tolerance_percent=2), LevelDraft(severity="Critical", recovery_upper=1)),
            ["alertLevels", "alertLevels[0].tolerancePercent", "alertLevels[0].staticUpper", "alertLevels[1].recoveryUpper"],
        ),
        (
            (STATIC, DYNAMIC),
            (LevelDraft(severity="Warning", recovery_tolerance_percent=1, recovery_stddev_multiplier=1),),
            ["alertLevels[0].recoveryTolerancePercent", "alertLevels[0].recoveryStddevMultiplier"],
        ),
    ],
)
def test_check_rule_names_each_fault_of_a_compound_rule(
    draft: Build, conditions: tuple[StrategyDraft, ...], levels: tuple[LevelDraft, ...], expected: list[str]
) -> None:
    """Each condition is complete by itself; the one level has no limits."""
    assert paths(draft(conditions=conditions, levels=levels)) == expected
