"""Reads the public page (contract monitoring 14.3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lumetry_core.runtime.database import Transaction
from lumetry_core.statuspages.announcements import rename
from lumetry_core.statuspages.model import MonitorKind, Standing
from lumetry_core.statuspages.page import Page, show
from lumetry_core.statuspages.service.standings import read_situation
from lumetry_core.statuspages.service.telling import name_announced
from lumetry_core.statuspages.store import pages as store
from lumetry_core.uptime.model import DayUptime, MonitorType, share
from lumetry_core.uptime.service import list_days, sum_days

UPTIME_DAYS = 90
COUNTED: Mapping[MonitorKind, MonitorType] = {
    MonitorKind.CONTAINER: MonitorType.CONTAINER,
    MonitorKind.ENDPOINT: MonitorType.ENDPOINT,
    MonitorKind.HEARTBEAT: MonitorType.HEARTBEAT,
}
"""Kinds whose uptime is counted."""


@dataclass(frozen=True, slots=True)
class PublicView:
    """The page, and by component the share of time and, if asked for, the days it was up. None: nothing is known."""

    page: Page
    last_event_id: int
    uptime: Mapping[int, float | None]
    days: Mapping[int, Sequence[DayUptime]]


async def read_public_view(tx: Transaction, organization_id: int, now: datetime, *, with_days: bool) -> PublicView:
    """What the public sees now. Incidents are as they were told last, which is a second ago at most."""
    told = await store.read_page(tx, organization_id)
    situation = await read_situation(tx, organization_id, now)
    incidents = () if told.page is None else rename(told.page.incidents, name_announced(situation.standings))
    visible = [standing for standing in situation.standings if standing.component.is_visible]
    days = {}
    if with_days:
        for standing in visible:
            kind = COUNTED.get(standing.component.monitor_kind)
            if kind is not None:
                days[standing.component.id] = await list_days(tx, organization_id, kind, standing.component.monitor_id, UPTIME_DAYS, now)
    return PublicView(
        Page(show(visible), incidents, situation.maintenance),
        told.last_event_id,
        await read_uptime(tx, organization_id, visible, now),
        days,
    )


async def read_uptime(tx: Transaction, organization_id: int, standings: Sequence[Standing], now: datetime) -> dict[int, float | None]:
    """The share of the last 90 days, today included, that each component was up, by its number."""
    since = now.date() - timedelta(days=UPTIME_DAYS - 1)
    uptime: dict[int, float | None] = {}
    for kind, counted in COUNTED.items():
        of_kind = {
            standing.component.monitor_id: standing.component.id for standing in standings if standing.component.monitor_kind is kind
        }
        if of_kind:
            sums = await sum_days(tx, organization_id, counted, of_kind, since)
            uptime |= {component_id: share(*sums.get(number, (0, 0))) for number, component_id in of_kind.items()}
    return uptime
