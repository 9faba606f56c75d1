"""The default rules that `lumetry bench detect` compares; the first one is what the documents recommend."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from lumetry_core.baselines.model import DEFAULT_LOOKBACK_DAYS, DEFAULT_MINIMUM_POINTS, DEFAULT_NAME, BaselineProfile
from lumetry_core.rules.draft import LevelDraft, RuleDraft, StrategyDraft
from lumetry_core.rules.model import Rule
from lumetry_core.rules.service import with_resolved_levels
from lumetry_core.rules.validation import check_rule
from lumetry_core.runtime.errors import Faults

ORGANIZATION = 1
METRIC = "bench.detect"
MADE = datetime(2000, 1, 1, tzinfo=UTC)
PROFILE = BaselineProfile(1, ORGANIZATION, DEFAULT_NAME, DEFAULT_LOOKBACK_DAYS, DEFAULT_MINIMUM_POINTS, "UTC", True, MADE, MADE)  # noqa: FBT003 -- isDefault


@dataclass(frozen=True, slots=True)
class DefaultRule:
    """A rule that may be a default, and what it does in words."""

    words: str
    draft: RuleDraft


def dynamic(mode: str, window_minutes: int, *levels: LevelDraft) -> RuleDraft:
    """A dynamic rule in both directions."""
    flat = StrategyDraft(metric_key=METRIC, type="Dynamic", threshold_mode=mode, direction="Both")
    return RuleDraft(name="detect", window_minutes=window_minutes, flat=flat, levels=levels)


def stddev(severity: str, multiplier: float, count: int = 1, window: int = 1, recovery: int = 30) -> LevelDraft:
    """A level in standard deviations."""
    return LevelDraft(
        severity=severity, stddev_multiplier=multiplier, trigger_count=count, trigger_window_minutes=window, recovery_minutes=recovery
    )


def tolerance(severity: str, percent: float, count: int = 1, window: int = 1, recovery: int = 30) -> LevelDraft:
    """A level in percent."""
    return LevelDraft(
        severity=severity, tolerance_percent=percent, trigger_count=count, trigger_window_minutes=window, recovery_minutes=recovery
    )


DEFAULT_RULES: Mapping[str, DefaultRule] = {
    "stddev-two-levels": DefaultRule(
        "Stddev, ±30 min; Warning 3σ, 6 violations in 30 min; Critical 10σ, 1 violation; recovery 30 min",
        dynamic("Stddev", 60, stddev("Warning", 3, 6, 30), stddev("Critical", 10)),
    ),
    "stddev-3": DefaultRule("Stddev, ±30 min; 3σ, 1 violation; recovery 30 min", dynamic("Stddev", 60, stddev("Warning", 3))),
    "stddev-10": DefaultRule("Stddev, ±30 min; 10σ, 1 violation; recovery 30 min", dynamic("Stddev", 60, stddev("Warning", 10))),
    "stddev-3-lasting": DefaultRule(
        "Stddev, ±30 min; 3σ, 6 violations in 30 min; recovery 30 min", dynamic("Stddev", 60, stddev("Warning", 3, 6, 30))
    ),
    "percentage-30": DefaultRule(
        "Percentage, ±30 min; 30 %, 1 violation; recovery 30 min", dynamic("Percentage", 60, tolerance("Warning", 30))
    ),
    "percentage-two-levels": DefaultRule(
        "Percentage, ±30 min; Warning 30 %, 6 violations in 30 min; Critical 100 %, 1 violation; recovery 30 min",
        dynamic("Percentage", 60, tolerance("Warning", 30, 6, 30), tolerance("Critical", 100)),
    ),
    "envelope-20": DefaultRule("Envelope, ±30 min; 20 %, 1 violation; recovery 30 min", dynamic("Envelope", 60, tolerance("Warning", 20))),
    "envelope-two-levels": DefaultRule(
        "Envelope, ±30 min; Warning 5 %, 6 violations in 30 min; Critical 25 %, 1 violation; recovery 30 min",
        dynamic("Envelope", 60, tolerance("Warning", 5, 6, 30), tolerance("Critical", 25)),
    ),
}
RECOMMENDED = next(iter(DEFAULT_RULES))


def make_rule(draft: RuleDraft) -> Rule:
    """The rule of a draft, as evaluation takes it."""
    faults = Faults()
    definition = check_rule(draft, faults)
    faults.raise_if_any()
    fields = {name: getattr(definition, name) for name in definition.__dataclass_fields__}
    rule = Rule(
        **fields,
        id=1,
        organization_id=ORGANIZATION,
        counting_epoch=1,
        create_time=MADE,
        update_time=MADE,
        created_by=None,
        metric_display_name=METRIC,
    )
    return with_resolved_levels(rule)
