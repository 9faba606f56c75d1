"""Silences: what people do with them, and who asks for them (contract lumetry 19.7)."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from lumetry_core.access.service.audit import record_audit
from lumetry_core.alerts.model import SourceKind
from lumetry_core.alerts.silences import LONGEST, Matchers, Silence
from lumetry_core.alerts.store import silences as store
from lumetry_core.baselines.validation import MAX_REASON, check_text
from lumetry_core.rules import choices
from lumetry_core.rules.model import SEVERITIES
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.paging import read_limit

KIND = "Silence"
MAX_LABELS = 32
MAX_LABEL_KEY = 128
MAX_LABEL_VALUE = 512
MAX_METRIC_KEY = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchersDraft:
    """Matchers as people send them, unchecked. None, no text and no labels mean absent."""

    metric_key: str | None = None
    rule_id: int | None = None
    severity: str = ""
    source_kind: str = ""
    service_node_id: int | None = None
    ci_node_id: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceDraft:
    """A silence as people send it, unchecked. None means absent."""

    matchers: MatchersDraft = field(default_factory=MatchersDraft)
    start_time: datetime | None = None
    end_time: datetime | None = None
    reason: str = ""


async def list_silences(tx: Transaction, caller: Caller, active: bool | None, limit: int, now: datetime) -> list[Silence]:  # noqa: FBT001 -- three-valued
    """The silences, newest first by start, then number. Fails with VALIDATION_FAILED (`limit`).

    Args:
        active: Only those that mute, or do not mute, now; None: all.
        limit: 0: 500.
    """
    faults = Faults()
    size = read_limit(limit, faults=faults)
    faults.raise_if_any()
    return await store.list_newest(tx, caller.organization_id, active=active, now=now, limit=size)


async def create_silence(tx: Transaction, caller: Caller, draft: SilenceDraft, now: datetime) -> Silence:
    """Adds a silence. Fails with VALIDATION_FAILED (`matchers` and below, `startTime`, `endTime`, `reason`)."""
    faults = Faults()
    matchers = check_matchers(draft.matchers, faults)
    reason = check_text(draft.reason, MAX_REASON, "reason", faults)
    faults.check(draft.start_time is not None, "startTime", "is required")
    if draft.end_time is None:
        faults.add("endTime", "is required")
    elif draft.start_time is not None:
        faults.check(draft.end_time > draft.start_time, "endTime", "must be after startTime")
        faults.check(draft.end_time - draft.start_time <= LONGEST, "endTime", f"must be at most {LONGEST.days} days after startTime")
    faults.raise_if_any()
    if draft.start_time is None or draft.end_time is None:
        raise TypeError("a silence without a start or an end is a fault")
    silence = Silence(
        id=0,
        organization_id=caller.organization_id,
        matchers=matchers,
        start_time=draft.start_time,
        end_time=draft.end_time,
        reason=reason,
        create_time=now,
        created_by=caller.user_id,
    )
    number = await store.insert_silence(tx, silence, silence.end_time if silence.end_time > now else None)
    created = replace(silence, id=number)
    await record_audit(tx, caller, f"{KIND}.Created", KIND, created.id, now, after=audited(created))
    return created


async def active_silences(tx: Transaction, organization_id: int, now: datetime) -> list[Silence]:
    """The silences that mute at a time, by number, ascending. One indexed query."""
    return await store.list_active(tx, organization_id, now)


async def find_silences(tx: Transaction, organization_id: int, ids: Collection[int]) -> dict[int, Silence]:
    """Silences by number, those that are over or removed included; unknown ones are left out."""
    return {silence.id: silence for silence in await store.read_silences(tx, organization_id, ids)}


async def find_silences_within(tx: Transaction, organization_id: int, start: datetime, end: datetime) -> list[Silence]:
    """The silences that mute at some time between two, whether or not they are over now, by number, ascending."""
    return await store.list_within(tx, organization_id, start, end)


def check_matchers(draft: MatchersDraft, faults: Faults) -> Matchers:
    """Reads matchers. What they name need not exist (yet): it may be of the time before or after."""
    matchers = Matchers(
        metric_key=draft.metric_key,
        rule_id=draft.rule_id,
        severity=read_word(SEVERITIES, draft.severity, "matchers.severity", faults),
        source_kind=read_word(SourceKind, draft.source_kind, "matchers.sourceKind", faults),
        service_node_id=draft.service_node_id,
        ci_node_id=draft.ci_node_id,
        labels=dict(draft.labels),
    )
    if not faults:
        faults.check(not matchers.is_empty, "matchers", "must have at least one matcher")
    if draft.metric_key is not None:
        check_text(draft.metric_key, MAX_METRIC_KEY, "matchers.metricId", faults)
    faults.check(len(draft.labels) <= MAX_LABELS, "matchers.labels", f"must have at most {MAX_LABELS} labels")
    for key, value in draft.labels.items():
        path = f"matchers.labels.{key}"
        check_text(key, MAX_LABEL_KEY, path, faults)
        faults.check(len(value) <= MAX_LABEL_VALUE and "\0" not in value, path, f"must have at most {MAX_LABEL_VALUE} characters, none NUL")
    return matchers


def read_word(kind: Iterable[choices.Choice], value: str, path: str, faults: Faults) -> choices.Choice | None:
    """Reads an enumerated value of a body, where case matters; None when it is empty, or unknown, which notes a fault."""
    if not value:
        return None
    words = tuple(kind)
    found = next((word for word in words if word == value), None)
    if found is None:
        faults.add(path, f"must be one of {', '.join(words)}")
    return found


def audited(silence: Silence) -> dict[str, object]:
    """What the audit log keeps of a silence, in the contract's words."""
    matchers = silence.matchers
    return {
        "matchers": {
            "metricId": matchers.metric_key,
            "ruleId": matchers.rule_id,
            "severity": matchers.severity,
            "sourceKind": matchers.source_kind,
            "serviceNodeId": matchers.service_node_id,
            "ciNodeId": matchers.ci_node_id,
            "labels": dict(matchers.labels),
        },
        "startTime": silence.start_time,
        "endTime": silence.end_time,
        "reason": silence.reason,
        "createdBy": silence.created_by,
    }
