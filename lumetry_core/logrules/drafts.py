"""What people may write of a rule, checked as far as nothing must be looked up (contract logs 8.1)."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from lumetry_core.logrules.model import (
    LIMIT_NAME,
    MAX_CHANNELS,
    MAX_QUIET_MINUTES,
    MAX_THRESHOLD,
    MAX_WINDOW_MINUTES,
    SEVERITIES,
    Channel,
    LogRule,
    Trigger,
)
from lumetry_core.logs.model import LEVELS, MAX_ERROR_TYPE, MAX_LABEL, RANK_OF
from lumetry_core.logs.query import Query, Request, read_query
from lumetry_core.runtime.errors import Faults

MAX_ENVIRONMENTS = 1_000
"""Characters of a list of labels."""
LARGEST_ID = 2**53 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRuleDraft:
    """A rule as it was sent; None stands for the default."""

    rule_name: str | None = None
    error_type: str | None = None
    severity: str | None = None
    count_threshold: int | None = None
    time_window_minutes: int | None = None
    channels: tuple[Channel, ...] = ()
    trigger: str | None = None
    min_level: str | None = None
    environment: str | None = None
    project_id: str | None = None
    q: str | None = None
    quiet_minutes: int | None = None
    topology_node_id: int | None = None
    enabled: bool | None = None


FIELDS = tuple(LogRuleDraft.__dataclass_fields__)
DEFAULTS: dict[str, Any] = {"severity": "warning", "trigger": "match", "min_level": "error", "enabled": True, "rule_name": ""}


def draft_of(rule: LogRule) -> LogRuleDraft:
    """A rule as it would be sent."""
    return LogRuleDraft(rule_name=rule.name, **{name: getattr(rule, name) for name in FIELDS if name != "rule_name"})


def merge(draft: LogRuleDraft, named: Collection[str], before: LogRuleDraft) -> LogRuleDraft:
    """What is named from the draft, the rest as before."""
    return replace(before, **{name: getattr(draft, name) for name in FIELDS if name in named})


def build_rule(draft: LogRuleDraft, faults: Faults, organization_id: int, now: datetime) -> LogRule:
    """The new rule that a draft means, without a number; notes everything that is wrong."""
    given: dict[str, Any] = {name: DEFAULTS.get(name) if (value := getattr(draft, name)) is None else value for name in FIELDS}
    given["rule_name"] = given["rule_name"].strip()
    for name in ("error_type", "environment", "project_id", "q"):
        given[name] = (given[name] or "").strip() or None
    check_texts(given, faults)
    check_numbers(draft, faults)
    check_channels(draft.channels, faults)
    faults.check(given["severity"] in SEVERITIES, "severity", f"must be one of {', '.join(SEVERITIES)}")
    is_trigger = given["trigger"] in set(Trigger)
    faults.check(is_trigger, "trigger", f"must be one of {', '.join(Trigger)}")
    given["trigger"] = Trigger(given["trigger"]) if is_trigger else Trigger.MATCH
    name = given.pop("rule_name")
    rule = LogRule(id=0, organization_id=organization_id, name=name, create_time=now, update_time=now, **given)
    query_of(rule, faults)
    return rule


def check_texts(given: dict[str, Any], faults: Faults) -> None:
    """Lengths, and what no database holds."""
    if not given["rule_name"]:
        faults.add("rule_name", "is required")
    limits = (("rule_name", LIMIT_NAME), ("error_type", MAX_ERROR_TYPE), ("environment", MAX_ENVIRONMENTS), ("project_id", MAX_LABEL))
    for name, limit in limits:
        faults.check(len(given[name] or "") <= limit, name, f"must have at most {limit} characters")
    for name in ("rule_name", "error_type", "environment", "project_id", "q"):
        faults.check("\0" not in (given[name] or ""), name, "must not contain NUL characters")


def check_numbers(draft: LogRuleDraft, faults: Faults) -> None:
    """Ranges, and the window that a threshold needs."""
    ranges = (
        ("count_threshold", MAX_THRESHOLD),
        ("time_window_minutes", MAX_WINDOW_MINUTES),
        ("quiet_minutes", MAX_QUIET_MINUTES),
        ("topology_node_id", LARGEST_ID),
    )
    for name, largest in ranges:
        value = getattr(draft, name)
        faults.check(value is None or 1 <= value <= largest, name, f"must be between 1 and {largest}")
    needs_window = (draft.count_threshold or 1) > 1 and draft.time_window_minutes is None
    faults.check(not needs_window, "time_window_minutes", "is required when count_threshold is greater than 1")


def check_channels(channels: Collection[Channel], faults: Faults) -> None:
    """The form of what names channels."""
    faults.check(len(channels) <= MAX_CHANNELS, "channels", f"must have at most {MAX_CHANNELS} entries")
    for position, channel in enumerate(channels):
        good = 1 <= channel <= LARGEST_ID if isinstance(channel, int) else bool(channel.strip()) and "\0" not in channel
        faults.check(good, f"channels[{position}]", "must be the id of a channel, its name or a channel type")


def query_of(rule: LogRule, faults: Faults) -> Query:
    """The search that a rule's filters are, but for the type of the error."""
    faults.check(rule.min_level in RANK_OF, "min_level", f"must be one of {', '.join(LEVELS)}")
    environments = tuple(part.strip() for part in (rule.environment or "").split(",") if part.strip())
    request = Request(
        q=rule.q or "",
        min_level=rule.min_level if rule.min_level in RANK_OF else "",
        environments=environments,
        project_id=rule.project_id,
    )
    return read_query(request, faults)
