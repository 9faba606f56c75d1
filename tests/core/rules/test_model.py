from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lumetry_core.rules.draft import RuleDraft
from lumetry_core.rules.model import AlertLevel, Definition, Severity, resolve_level, strategy_of
from lumetry_core.rules.validation import check_rule
from lumetry_core.runtime.errors import Faults

Build = Callable[..., RuleDraft]


@pytest.fixture
def define(draft: Build) -> Callable[..., Definition]:
    """Builds a checked definition; keywords as of `draft`."""

    def build(**changes: Any) -> Definition:
        faults = Faults()
        definition = check_rule(draft(**changes), faults)
        faults.raise_if_any()
        return definition

    return build


@pytest.mark.parametrize(
    ("mode", "flat", "own", "expected"),
    [
        ("Percentage", {"tolerance_percent": 20}, {}, (20, None, 20, None)),
        ("Percentage", {"tolerance_percent": 20}, {"recovery_tolerance_percent": 0}, (20, None, 0, None)),
        ("Envelope", {"tolerance_percent": 20}, {"tolerance_percent": 30}, (30, None, 30, None)),
        ("Envelope", {"tolerance_percent": 20, "stddev_multiplier": 9}, {"stddev_multiplier": 8}, (20, None, 20, None)),
        ("Stddev", {"stddev_multiplier": 3, "tolerance_percent": 20}, {"tolerance_percent": 1}, (None, 3, None, 3)),
        ("Stddev", {"stddev_multiplier": 3}, {"stddev_multiplier": 5, "recovery_stddev_multiplier": 2}, (None, 5, None, 2)),
    ],
)
def test_resolve_level_of_a_dynamic_rule(
    define: Callable[..., Definition], mode: str, flat: dict[str, float], own: dict[str, float], expected: tuple[float | None, ...]
) -> None:
    """The mode's parameter is the level's or the rule's, recovery's own or the same; whatever another strategy has is left out."""
    definition = define(type="Dynamic", threshold_mode=mode, static_upper=90.0, **flat)
    level = resolve_level(definition, AlertLevel(1, Severity.WARNING, trigger_count=3, **own))
    assert level == AlertLevel(
        1,
        Severity.WARNING,
        trigger_count=3,
        tolerance_percent=expected[0],
        stddev_multiplier=expected[1],
        recovery_tolerance_percent=expected[2],
        recovery_stddev_multiplier=expected[3],
    )


def test_resolve_level_of_a_condition(define: Callable[..., Definition], draft: Build) -> None:
    """The level of a compound rule gets each condition's limits."""
    dynamic = draft(metric_key="disk", type="Dynamic", threshold_mode="Stddev", stddev_multiplier=3).flat
    definition = define(conditions=(draft().flat, dynamic))
    (level,) = definition.levels
    assert [resolve_level(condition, level) for condition in definition.conditions] == [
        AlertLevel(0, Severity.WARNING, static_upper=90.0, recovery_upper=90.0),
        AlertLevel(0, Severity.WARNING, stddev_multiplier=3, recovery_stddev_multiplier=3),
    ]


def test_strategies_of_a_plain_rule(define: Callable[..., Definition], draft: Build) -> None:
    """A plain rule has one condition, made of its flat fields, wherever they were sent."""
    flat = define(scope={"site": "a"})
    assert flat.conditions == ()
    (only,) = flat.strategies
    assert (only.metric_key, only.static_upper, only.scope) == ("cpu", 90.0, {"site": "a"})
    assert define(conditions=(draft(scope={"site": "a"}).flat,)) == flat


def test_strategy_of_covers_conditions(define: Callable[..., Definition], draft: Build) -> None:
    """Any change of any condition, of the operator or the profile is one of the strategy; names are not."""
    first, second = draft().flat, draft(metric_key="disk", type="Dynamic", threshold_mode="Stddev", stddev_multiplier=3).flat
    same = define(conditions=(first, second))
    others = [
        define(conditions=(second, first)),
        define(conditions=(first, replace(second, stddev_multiplier=4))),
        define(conditions=(first, replace(second, scope={"site": "a"}))),
        define(conditions=(first, second, second)),
        define(conditions=(first,)),
        define(conditions=(first, second), condition_operator="Any"),
        define(conditions=(first, second), window_minutes=6),
        define(conditions=(first, second), baseline_profile_id=3),
    ]
    assert all(strategy_of(other) != strategy_of(same) for other in others)
    assert strategy_of(define(conditions=(first, second), name="other", status="Draft")) == strategy_of(same)
