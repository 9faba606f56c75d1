"""Tells what happened to alerts: at this one place, to the event feed and to the activity feed."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from lumetry_core.activity.model import SYSTEM, Actor
from lumetry_core.activity.service import record
from lumetry_core.alerts.activity import action_of, describe_alert, own_project, refs_of
from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.spelling import spell_monitored, status_of
from lumetry_core.alerts.store import paths as path_store
from lumetry_core.feed.service import tell
from lumetry_core.projects.links import LinkType, Ref
from lumetry_core.projects.service.links import find_linked_projects, has_links, list_all_links
from lumetry_core.runtime.database import Transaction

FEED_EVENT = {"active": "alert.fired", "silenced": "alert.silenced", "resolved": "alert.resolved"}
"""By status (contract monitoring 9.4, 11)."""


async def tell_alerts(
    tx: Transaction, organization_id: int, changed: Sequence[Alert], now: datetime, action: str = "", actor: Actor = SYSTEM
) -> None:
    """Tells how alerts stand that opened, rose, were taken over, muted, let go or closed.

    Args:
        action: What happened to them (contract workspace 11.4); empty: what their status tells.
    """
    if not changed:
        return
    events = [("alert.acknowledged" if action == "acknowledged" else FEED_EVENT[status_of(alert)], alert) for alert in changed]
    await tell(tx, organization_id, [(event, {"alert": spell_monitored(alert)}) for event, alert in events], now)
    await record_alerts(tx, organization_id, changed, now, action, actor)


async def record_alerts(
    tx: Transaction, organization_id: int, changed: Sequence[Alert], now: datetime, action: str = "", actor: Actor = SYSTEM
) -> None:
    """Writes the items of what happened to alerts."""
    projects = await find_projects(tx, organization_id, changed)
    drafts = [describe_alert(alert, action or action_of(alert), projects.get(alert.id, ()), actor) for alert in changed]
    await record(tx, organization_id, drafts, now)


async def find_projects(tx: Transaction, organization_id: int, alerts: Sequence[Alert]) -> Mapping[int, Sequence[str]]:
    """The projects of alerts, in the order of their creation; alerts without any are left out. One query while nothing is linked."""
    own = {alert.id: project_id for alert in alerts if (project_id := own_project(alert)) is not None}
    if not await has_links(tx, organization_id):
        return {number: (project_id,) for number, project_id in own.items()}
    links = await list_all_links(tx, organization_id)
    rank = {project_id: place for place, project_id in enumerate(await order_projects(tx, organization_id, links))}
    paths = await path_store.read_paths(tx, organization_id, [alert.id for alert in alerts])
    found = {}
    for alert in alerts:
        refs = refs_of(alert) | {(LinkType.TOPOLOGY_NODE, str(node.node_id)) for node in paths.get(alert.id, ())}
        linked = {project_id for ref in refs for project_id in links.get(ref, ())}
        first = [own[alert.id]] if alert.id in own else []
        found[alert.id] = first + [project_id for project_id in sorted(linked, key=rank.__getitem__) if project_id not in first]
    return {number: project_ids for number, project_ids in found.items() if project_ids}


async def order_projects(tx: Transaction, organization_id: int, refs: Collection[Ref]) -> list[str]:
    """The projects that link anything of this, in the order of their creation."""
    return await find_linked_projects(
        tx,
        organization_id,
        monitors=[(kind.value, int(ref)) for kind, ref in refs if kind not in (LinkType.METRIC, LinkType.TOPOLOGY_NODE)],
        node_ids=[int(ref) for kind, ref in refs if kind is LinkType.TOPOLOGY_NODE],
        metric_keys=[ref for kind, ref in refs if kind is LinkType.METRIC],
    )
