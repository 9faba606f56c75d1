"""Noting the entries of error groups as they are read (contract logs 7.5)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from lumetry_core.access.service.holders import find_holders
from lumetry_core.activity.model import Draft, Resource, Severity
from lumetry_core.activity.service import record
from lumetry_core.logs import groups as model
from lumetry_core.logs.grouping import Sighting
from lumetry_core.logs.groups import GroupStatus, LogGroup, Turn
from lumetry_core.logs.model import LEVELS, RANK_OF
from lumetry_core.logs.store import group_hours as hours_store
from lumetry_core.logs.store import groups as store
from lumetry_core.notices.model import NoticeDraft, NoticeKind, NoticeSeverity
from lumetry_core.notices.service import notify
from lumetry_core.runtime.caller import Permission
from lumetry_core.runtime.database import Transaction

GroupKey = tuple[str, bytes]
"""UUID of the deciding project, fingerprint."""


@dataclass(frozen=True, slots=True)
class Grouped:
    """The groups of sightings, after them."""

    ids: Mapping[GroupKey, int] = field(default_factory=dict)
    created: frozenset[int] = frozenset()
    reopened: frozenset[int] = frozenset()
    """Those that regressed: had been resolved before an entry happened."""
    ignored: frozenset[int] = frozenset()
    """Those that are still ignored."""


async def record_sightings(tx: Transaction, organization_id: int, sightings: Sequence[Sighting], now: datetime) -> Grouped:
    """Counts what was seen, makes groups for what is new and reopens those that regressed; tells of both.

    Args:
        sightings: At most one for each project and fingerprint.
    """
    if not sightings:
        return Grouped()
    known = await lock_known(tx, organization_id, sightings)
    created: list[LogGroup] = []
    changed: list[tuple[LogGroup, Turn]] = []
    for sighting in sightings:
        group = known.get((sighting.project_id, sighting.fingerprint))
        if group is None:
            created.append(model.found(organization_id, sighting))
        else:
            changed.append(model.see(group, sighting, now))
    new_ids = await store.insert_groups(tx, created)
    await store.update_groups(tx, organization_id, [group for group, _ in changed])
    ids = {key: group.id for key, group in known.items()} | new_ids
    await hours_store.add_hours(tx, organization_id, count_hours(sightings, ids))
    await tell(tx, organization_id, [(new_ids[group.project_id, group.fingerprint], group) for group in created], changed, now)
    return Grouped(
        ids,
        frozenset(new_ids.values()),
        frozenset(group.id for group, turn in changed if turn is Turn.REGRESSED),
        frozenset(group.id for group, _ in changed if group.status is GroupStatus.IGNORED),
    )


async def lock_known(tx: Transaction, organization_id: int, sightings: Sequence[Sighting]) -> dict[GroupKey, LogGroup]:
    """The groups that exist already."""
    by_project: dict[str, list[bytes]] = {}
    for sighting in sightings:
        by_project.setdefault(sighting.project_id, []).append(sighting.fingerprint)
    known = {}
    for project_id, fingerprints in sorted(by_project.items()):
        for group in await store.lock_groups(tx, organization_id, project_id, fingerprints):
            known[group.project_id, group.fingerprint] = group
    return known


def count_hours(sightings: Sequence[Sighting], ids: Mapping[GroupKey, int]) -> Counter[tuple[int, int, int]]:
    """Entries by group, hour and level."""
    counts: Counter[tuple[int, int, int]] = Counter()
    for sighting in sightings:
        group_id = ids[sighting.project_id, sighting.fingerprint]
        for (hour, level), count in sighting.hours.items():
            counts[group_id, hour, level] += count
    return counts


async def tell(
    tx: Transaction, organization_id: int, created: Sequence[tuple[int, LogGroup]], changed: Sequence[tuple[LogGroup, Turn]], now: datetime
) -> None:
    """Writes new, regressed and reopened groups to the activity feed, and notices of regressed ones."""
    drafts = [make_item("new", group_id, group) for group_id, group in created]
    regressed = [group for group, turn in changed if turn is Turn.REGRESSED]
    drafts += [make_item("regressed", group.id, group) for group in regressed]
    drafts += [make_item("reopened", group.id, group) for group, turn in changed if turn is Turn.REOPENED]
    await record(tx, organization_id, drafts, now)
    if regressed:
        holders = await find_holders(tx, organization_id, Permission.VIEW_LOGS)
        await notify(tx, organization_id, holders, [make_notice(group) for group in regressed], now)


TITLES = {"new": "New error: {}", "regressed": "Error is back: {}", "reopened": "Error is no longer ignored: {}"}


def make_item(action: str, group_id: int, group: LogGroup) -> Draft:
    """What the activity feed says of a group."""
    return Draft(
        kind="log_group",
        action=action,
        title=TITLES[action].format(group.title),
        summary=group.culprit,
        severity=Severity.CRITICAL if group.level > RANK_OF["error"] else Severity.WARNING,
        project_ids=(group.project_id,),
        resource=Resource("log_group", str(group_id)),
    )


def make_notice(group: LogGroup) -> NoticeDraft:
    """What people are told of a regressed group."""
    return NoticeDraft(
        kind=NoticeKind.LOG_GROUP_REGRESSED,
        severity=NoticeSeverity.CRITICAL if group.level > RANK_OF["error"] else NoticeSeverity.WARNING,
        title=f"Resolved error is back: {group.title}",
        body=f"Level {LEVELS[group.level - 1]}, {group.count} entries so far." + (f" At {group.culprit}." if group.culprit else ""),
        resource_type="log_group",
        resource_id=str(group.id),
        project_id=group.project_id,
        link=f"/logs/groups/{group.id}",
    )
