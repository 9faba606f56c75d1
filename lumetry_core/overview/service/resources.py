"""What belongs to projects: reading, replacing, and forgetting what is gone."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.service.log_keys import count_active_log_keys
from lumetry_core.certificates.service.reading import find_states as find_certificates
from lumetry_core.containers.service.reading import find_containers
from lumetry_core.endpoints.service.reading import find_states as find_endpoints
from lumetry_core.heartbeats.service.reading import find_states as find_heartbeats
from lumetry_core.metrics.service.catalog import find_metrics
from lumetry_core.overview.resources import LARGEST_ID, LinkedMonitor, LinkedNode, ResourceDraft, Resources, audited, read_draft
from lumetry_core.projects.links import MONITOR_TYPES, LinkType, Ref
from lumetry_core.projects.model import Project
from lumetry_core.projects.service import get_project, links, settle
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.topology.service.nodes import find_nodes

NOUNS: Mapping[LinkType, str] = {
    LinkType.CONTAINER: "Container",
    LinkType.ENDPOINT: "Endpoint",
    LinkType.HEARTBEAT: "Heartbeat",
    LinkType.CERTIFICATE: "Certificate",
    LinkType.TOPOLOGY_NODE: "Topology node",
    LinkType.METRIC: "Metric",
}


async def get_resources(tx: Transaction, caller: Caller, id_or_slug: str) -> Resources:
    """What belongs to a project, as far as it still exists. Fails with NOT_FOUND."""
    return await read_resources(tx, await get_project(tx, caller, id_or_slug))


async def replace_resources(tx: Transaction, caller: Caller, id_or_slug: str, draft: ResourceDraft, now: datetime) -> Resources:
    """Replaces the lists that were sent. Fails with VALIDATION_FAILED, and with NOT_FOUND for what the organization does not have."""
    wanted = read_draft(draft)
    await settle(tx, caller, now)
    project = await get_project(tx, caller, id_or_slug)
    before = await read_resources(tx, project)
    for kind, refs in wanted.items():
        known = await find_existing(tx, caller.organization_id, kind, refs)
        for ref in refs:
            if ref not in known:
                raise LumetryError(Reason.NOT_FOUND, f"{NOUNS[kind]} {ref} does not exist.", type=NOUNS[kind], id=ref)
    await links.replace_links(tx, caller.organization_id, project.id, wanted)
    after = await read_resources(tx, project)
    if after != before:
        await record_audit(
            tx,
            caller,
            "Project.ResourcesReplaced",
            "Project",
            project.id,
            now,
            before=audited(before),
            after={"name": project.name, **audited(after)},
        )
    return after


async def read_resources(tx: Transaction, project: Project) -> Resources:
    """What belongs to a project, as far as it still exists."""
    linked = await links.list_links(tx, project.organization_id, project.id)
    monitors: list[LinkedMonitor] = []
    for kind in MONITOR_TYPES:
        names = await find_names(tx, project.organization_id, kind, to_numbers(linked[kind]))
        monitors += [LinkedMonitor(kind, number, names[number]) for number in sorted(names)]
    nodes = await find_nodes(tx, project.organization_id, to_numbers(linked[LinkType.TOPOLOGY_NODE]))
    metrics = await find_existing(tx, project.organization_id, LinkType.METRIC, linked[LinkType.METRIC])
    return Resources(
        monitors=monitors,
        nodes=[LinkedNode(node.id, node.display_name, node.node_type.value) for _, node in sorted(nodes.items())],
        metric_keys=sorted(metrics),
        log_key_count=await count_active_log_keys(tx, project.organization_id, project.id),
    )


async def find_existing(tx: Transaction, organization_id: int, kind: LinkType, refs: Collection[str]) -> set[str]:
    """Those that the organization has."""
    if not refs:
        return set()
    if kind is LinkType.METRIC:
        return set(await find_metrics(tx, organization_id, [ref for ref in refs if "\0" not in ref]))
    if kind is LinkType.TOPOLOGY_NODE:
        return {str(number) for number in await find_nodes(tx, organization_id, to_numbers(refs))}
    return {str(number) for number in await find_names(tx, organization_id, kind, to_numbers(refs))}


async def find_names(tx: Transaction, organization_id: int, kind: LinkType, ids: Sequence[int]) -> dict[int, str]:
    """The names of monitors that exist."""
    if not ids:
        return {}
    match kind:
        case LinkType.CONTAINER:
            return {number: container.name for number, container in (await find_containers(tx, organization_id, ids)).items()}
        case LinkType.ENDPOINT:
            return {number: state.name for number, state in (await find_endpoints(tx, organization_id, ids)).items()}
        case LinkType.HEARTBEAT:
            return {number: state.name for number, state in (await find_heartbeats(tx, organization_id, ids)).items()}
        case _:
            return {number: state.name for number, state in (await find_certificates(tx, organization_id, ids)).items()}


def to_numbers(refs: Collection[str]) -> list[int]:
    """Numbers, without those that no database would have."""
    return [number for number in map(int, refs) if 0 < number <= LARGEST_ID]


async def drop_dangling(tx: Transaction, organization_id: int) -> None:
    """Takes what does not exist any more out of all projects."""
    by_kind: dict[LinkType, list[str]] = {}
    for kind, ref in await links.list_all_links(tx, organization_id):
        by_kind.setdefault(kind, []).append(ref)
    gone: list[Ref] = []
    for kind, refs in by_kind.items():
        known = await find_existing(tx, organization_id, kind, refs)
        gone += [(kind, ref) for ref in refs if ref not in known]
    if gone:
        await links.drop_links(tx, organization_id, gone)
