"""What a scan found: updates, their alerts and events, and what of the stored ones has become stale."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from lumetry_core.feed.service import tell
from lumetry_core.runtime.database import Transaction
from lumetry_core.updates.commands import spell_rollback, spell_update
from lumetry_core.updates.model import (
    BASE_RISK,
    SCAN_LEASE,
    Check,
    Finding,
    Outcome,
    Scan,
    SkipReason,
    Target,
    Update,
    find_skip_reason,
    is_about,
    subject_of,
)
from lumetry_core.updates.service.alerting import end_alerts, raise_alert
from lumetry_core.updates.service.targets import find_targets
from lumetry_core.updates.store import choices as choice_store
from lumetry_core.updates.store import findings as store
from lumetry_core.updates.store import scans as scan_store

UP_TO_DATE = "The container runs the newest image"
NOT_WATCHED = "The image is not looked at any more"
PINNED = "The container was pinned"


class ScanLost(Exception):  # noqa: N818 -- no fault: the scan was given up meanwhile
    """Another process ended the scan, so nothing may be recorded for it."""


async def record_outcome(tx: Transaction, scan: Scan, owner: str, target: Target, outcome: Outcome, now: datetime) -> None:
    """Records what came of asking for a container.

    Raises:
        ScanLost: The scan is not the owner's any more.
    """
    organization_id = scan.organization_id
    found, failed = outcome.finding is not None, outcome.error is not None
    if not await scan_store.count_checked(tx, scan, owner, now + SCAN_LEASE, found=found, failed=failed):
        raise ScanLost
    if not await is_still_wanted(tx, organization_id, target):
        return
    check = Check(target.container_id, subject_of(target), outcome.baseline_digest, now, outcome.error)
    await store.save_check(tx, organization_id, check)
    if failed:
        return
    known = await store.list_of_container(tx, organization_id, target.container_id)
    kept = outcome.finding.latest_tag if outcome.finding else None
    stale = [each.id for each in known if each.resolve_time is None and (each.image, each.latest_tag) != (target.short_image, kept)]
    await store.resolve_updates(tx, organization_id, stale, now)
    if outcome.finding is None:
        await end_alerts(tx, organization_id, [target.container_id], UP_TO_DATE, now)
        return
    before = next((each for each in known if (each.image, each.latest_tag) == (target.short_image, kept)), None)
    await record_finding(tx, organization_id, target, outcome.finding, outcome.baseline_digest, before, now)


async def record_finding(
    tx: Transaction,
    organization_id: int,
    target: Target,
    finding: Finding,
    baseline_digest: str | None,
    before: Update | None,
    now: datetime,
) -> None:
    """Records an update and, when it is news, tells it."""
    is_news = before is None or before.resolve_time is not None or is_other(before, finding, target)
    found = Update(
        id=0,
        organization_id=organization_id,
        container_id=target.container_id,
        image=target.short_image,
        current_tag=target.current_tag,
        current_digest=target.current_digest or baseline_digest,
        latest_tag=finding.latest_tag,
        latest_digest=finding.latest_digest,
        update_type=finding.update_type,
        risk_score=BASE_RISK[finding.update_type],
        detect_time=now if is_news or before is None else before.detect_time,
        is_alerted=not is_news and before is not None and before.is_alerted,
    )
    if is_news:
        await tell(tx, organization_id, [("update.detected", event_data(target, found))], now)
    is_alerted = await raise_alert(tx, target, found, now)
    await store.save_update(tx, replace(found, is_alerted=is_alerted))


def is_other(before: Update, finding: Finding, target: Target) -> bool:
    """Whether a tag that was found before stands for something else now, or is found for another tag that runs."""
    if before.current_tag != target.current_tag:
        return True
    follows_digest = finding.latest_tag in (target.current_tag, target.options.track)
    return follows_digest and before.latest_digest != finding.latest_digest


async def is_still_wanted(tx: Transaction, organization_id: int, target: Target) -> bool:
    """Whether a container is what it was when the scan was planned, and nobody pinned or excluded it since."""
    present = (await find_targets(tx, organization_id, [target.container_id])).get(target.container_id)
    if present is None or present.is_archived or subject_of(present) != subject_of(target):
        return False
    pin = await choice_store.find_pin(tx, organization_id, target.container_id)
    exclusions = await choice_store.list_exclusions(tx, organization_id)
    return find_skip_reason(present, has_pin=pin is not None, exclusions=exclusions) is None


async def end_stale(tx: Transaction, organization_id: int, now: datetime) -> None:
    """Resolves updates whose container is gone, runs something else or is not looked at any more; pinned ones only lose their alerts."""
    live = await store.list_live(tx, organization_id)
    targets = await find_targets(tx, organization_id, {each.container_id for each in live})
    pins = await choice_store.read_pins(tx, organization_id)
    exclusions = await choice_store.list_exclusions(tx, organization_id)
    stale: dict[str, list[Update]] = {UP_TO_DATE: [], NOT_WATCHED: [], PINNED: []}
    for each in live:
        target = targets.get(each.container_id)
        if target is None or not is_about(each, target):
            stale[UP_TO_DATE].append(each)
            continue
        reason = find_skip_reason(target, has_pin=each.container_id in pins, exclusions=exclusions)
        if reason is not None:
            stale[PINNED if reason is SkipReason.PINNED else NOT_WATCHED].append(each)
    await end_updates(tx, organization_id, stale, now)
    checked = list(await store.read_checks(tx, organization_id))
    known = await find_targets(tx, organization_id, checked)
    await store.delete_checks(tx, organization_id, [each for each in checked if each not in known or known[each].is_archived])


async def end_updates(tx: Transaction, organization_id: int, ended: Mapping[str, list[Update]], now: datetime) -> None:
    """Resolves updates by the reason why, and ends their alerts."""
    for reason, updates in ended.items():
        containers = {each.container_id for each in updates}
        if reason != PINNED:
            await store.resolve_updates(tx, organization_id, [each.id for each in updates], now)
        await store.clear_alerted(tx, organization_id, containers)
        await end_alerts(tx, organization_id, containers, reason, now)


def event_data(target: Target, found: Update) -> dict[str, object]:
    """What the event of a found update tells."""
    return {
        "container_id": target.external_id,
        "container_name": target.name,
        "image": found.image,
        "current_tag": found.current_tag,
        "latest_tag": found.latest_tag,
        "update_type": found.update_type.value,
        "risk_score": found.risk_score,
        "update_command": spell_update(target, found),
        "rollback_command": spell_rollback(target, found),
    }
