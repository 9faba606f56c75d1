"""What people read of updates (contract monitoring 15)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, not_found
from lumetry_core.updates.commands import spell_rollback, spell_update
from lumetry_core.updates.model import (
    Counts,
    Pin,
    Schedule,
    SkipReason,
    Target,
    Update,
    UpdateStatus,
    count_targets,
    find_skip_reason,
    is_about,
)
from lumetry_core.updates.service.targets import find_target, list_targets, running
from lumetry_core.updates.store import choices as choice_store
from lumetry_core.updates.store import findings as store
from lumetry_core.updates.store import scans as scan_store
from lumetry_core.updates.tags import UpdateType


@dataclass(frozen=True, slots=True)
class ShownUpdate:
    """An update with its container and its pin, if any."""

    update: Update
    target: Target
    pin: Pin | None

    @property
    def status(self) -> UpdateStatus:
        """What people want with it."""
        return UpdateStatus.PINNED if self.pin is not None or self.target.options.is_pinned else UpdateStatus.AVAILABLE


@dataclass(frozen=True, slots=True)
class UpdateDetail:
    """An update, and how to take it and go back."""

    shown: ShownUpdate
    update_command: str
    rollback_command: str | None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a scan would do."""

    available: Sequence[ShownUpdate]
    decisions: Sequence[tuple[Target, SkipReason | None]]


async def list_updates(tx: Transaction, organization_id: int, status: str, update_type: str) -> list[ShownUpdate]:
    """The updates of containers that lag behind, by container name. Fails with VALIDATION_FAILED.

    Args:
        status: Empty: all.
        update_type: Empty: all.
    """
    faults = Faults()
    faults.check(not status or status in tuple(UpdateStatus), "status", f"must be one of {', '.join(UpdateStatus)}")
    faults.check(not update_type or update_type in tuple(UpdateType), "update_type", f"must be one of {', '.join(UpdateType)}")
    faults.raise_if_any()
    targets = await list_targets(tx, organization_id)
    pins = await choice_store.read_pins(tx, organization_id)
    shown = list_shown(targets, await find_live(tx, organization_id), pins)
    return [each for each in shown if status in ("", each.status) and update_type in ("", each.update.update_type)]


async def summarize(tx: Transaction, organization_id: int) -> Counts:
    """Running containers by how far behind they are."""
    pins = await choice_store.read_pins(tx, organization_id)
    return count_targets(
        await list_targets(tx, organization_id),
        await find_live(tx, organization_id),
        await store.read_checks(tx, organization_id),
        frozenset(pins),
        await choice_store.list_exclusions(tx, organization_id),
    )


async def read_schedule(tx: Transaction, organization_id: int) -> Schedule:
    """When scans were and will be."""
    completed = await scan_store.find_newest_completed(tx, organization_id)
    return Schedule(
        await scan_store.find_newest(tx, organization_id),
        completed.end_time if completed is not None else None,
        await scan_store.read_next_time(tx, organization_id),
    )


async def preview_scan(tx: Transaction, organization_id: int) -> Preview:
    """What a scan would do with every running container, and the updates that are available."""
    targets = await list_targets(tx, organization_id)
    pins = await choice_store.read_pins(tx, organization_id)
    exclusions = await choice_store.list_exclusions(tx, organization_id)
    shown = list_shown(targets, await find_live(tx, organization_id), pins)
    decisions = [
        (target, find_skip_reason(target, has_pin=target.container_id in pins, exclusions=exclusions)) for target in running(targets)
    ]
    return Preview([each for each in shown if each.status is UpdateStatus.AVAILABLE], decisions)


async def get_container_update(tx: Transaction, organization_id: int, name: str) -> UpdateDetail:
    """The update of a container. Fails with NOT_FOUND when the container is unknown or has none."""
    target = await find_target(tx, organization_id, name)
    found = (await find_live(tx, organization_id)).get(target.container_id)
    if found is None or not is_about(found, target):
        raise not_found("Update of container", name)
    pin = await choice_store.find_pin(tx, organization_id, target.container_id)
    return UpdateDetail(ShownUpdate(found, target, pin), spell_update(target, found), spell_rollback(target, found))


async def find_live(tx: Transaction, organization_id: int) -> dict[int, Update]:
    """The update of each container that lags behind."""
    return {each.container_id: each for each in await store.list_live(tx, organization_id)}


def list_shown(targets: Sequence[Target], updates: Mapping[int, Update], pins: Mapping[int, Pin]) -> list[ShownUpdate]:
    """Updates with their containers, in the order of these; what a container ran before is left out."""
    return [
        ShownUpdate(updates[target.container_id], target, pins.get(target.container_id))
        for target in targets
        if target.container_id in updates and is_about(updates[target.container_id], target)
    ]
