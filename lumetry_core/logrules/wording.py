"""What alerts of rules say (contract logs 8.3)."""

from collections.abc import Iterable, Sequence
from typing import Any

from lumetry_core.logrules.model import SAMPLES, LogRule, Mark, State, Trigger

BECAUSE = {Trigger.MATCH: "", Trigger.NEW_GROUP: " of new error groups", Trigger.REGRESSION: " of regressed error groups"}


def tell_count(rule: LogRule, count: int) -> str:
    """Why an alert opened, such as `12 PaymentError entries within 5 minutes`."""
    noun = "entry" if count == 1 else "entries"
    what = f"log {noun} of level {rule.min_level} or above" if rule.error_type is None else f"{rule.error_type} {noun}"
    minutes = rule.time_window_minutes
    within = "" if minutes is None else f" within {minutes} minute{'' if minutes == 1 else 's'}"
    return f"{count} {what}{BECAUSE[rule.trigger]}{within}"


def tell_quiet(rule: LogRule) -> str:
    """Why an alert is over."""
    minutes = rule.effective_quiet_minutes
    return f"Nothing matched for {minutes} minute{'' if minutes == 1 else 's'}"


def tell_details(rule: LogRule, state: State) -> dict[str, Any]:
    """The details of an alert."""
    return {
        "rule_id": rule.id,
        "rule_name": rule.name,
        "error_type": rule.error_type,
        "count": state.count,
        "count_threshold": rule.threshold,
        "time_window_minutes": rule.time_window_minutes,
        "group_ids": list(state.group_ids),
        "sample_entry_ids": [mark.id for mark in state.marks[-SAMPLES:]],
        "project_id": rule.project_id,
        "environment": rule.environment,
        "trace_ids": last_traces(state.marks),
    }


def last_traces(marks: Sequence[Mark]) -> list[str]:
    """The last distinct traces, newest last."""
    newest_first = distinct(mark.trace_id for mark in reversed(marks) if mark.trace_id)
    return newest_first[:SAMPLES][::-1]


def distinct(texts: Iterable[str]) -> list[str]:
    """Each text once, where it came first."""
    return list(dict.fromkeys(texts))
