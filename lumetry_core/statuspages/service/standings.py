"""Components as they are now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lumetry_core.runtime.database import Transaction
from lumetry_core.statuspages.covering import NOWHERE, announce_windows, is_covered
from lumetry_core.statuspages.derivation import derive
from lumetry_core.statuspages.model import Component, Group, Standing
from lumetry_core.statuspages.page import ShownMaintenance
from lumetry_core.statuspages.service.maintenance import find_places, list_windows
from lumetry_core.statuspages.service.states import read_states
from lumetry_core.statuspages.store import components as component_store
from lumetry_core.statuspages.store import groups as group_store


@dataclass(frozen=True, slots=True)
class Situation:
    """All components in their order, the maintenance that the public hears of, and components whose monitor is gone."""

    standings: tuple[Standing, ...]
    maintenance: tuple[ShownMaintenance, ...]
    orphans: tuple[Component, ...]


NOTHING = Situation((), (), ())


async def read_situation(tx: Transaction, organization_id: int, now: datetime) -> Situation:
    """How all components of an organization are."""
    listed = await component_store.list_components(tx, organization_id)
    if not listed:
        return NOTHING
    groups = await group_store.list_groups(tx, organization_id)
    readings = await read_states(tx, organization_id, (component.key for component in listed))
    windows = await list_windows(tx, organization_id, now)
    nodes = {reading.node_id for reading in readings.values() if reading.node_id is not None}
    places = await find_places(tx, organization_id, windows, nodes)
    names = {group.id: group.name for group in groups}
    standings = []
    for component in sort_components([component for component in listed if component.key in readings], groups):
        reading = readings[component.key]
        covered = is_covered(windows, NOWHERE if reading.node_id is None else places.get(reading.node_id, NOWHERE), now)
        derived = derive(component.monitor_kind, reading, is_covered=covered)
        group_name = names.get(component.group_id, "") if component.group_id is not None else ""
        standings.append(Standing(component, group_name, reading.name, derived, reading.node_id))
    orphans = tuple(component for component in listed if component.key not in readings)
    return Situation(tuple(standings), announce_windows(windows, standings, places, now), orphans)


def sort_components(components: Sequence[Component], groups: Sequence[Group]) -> list[Component]:
    """By the order of groups, those without one last, then by their own order and name."""
    places = {group.id: place for place, group in enumerate(groups)}

    def place_of(component: Component) -> tuple[int, int, str, int]:
        group = len(places) if component.group_id is None else places.get(component.group_id, len(places))
        return group, component.display_order, component.display_name.casefold(), component.id

    return sorted(components, key=place_of)
