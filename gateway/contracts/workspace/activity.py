"""The activity feed, and the filters of both snapshots (contract workspace 11.1 and 11.4)."""

import msgspec

from gateway.contracts.workspace.values import Listing, Time, identity_of, read_limit
from gateway.transcode.request import UUID, Request
from gateway.transcode.times import format_time
from lumetry.overview.v1 import items_pb2
from lumetry.overview.v1 import snapshot_service_pb2 as pb


class SnapshotQuery(msgspec.Struct, rename="camel"):
    """What a snapshot is narrowed to; `kind` is a list separated by commas."""

    kind: str = ""
    agent_id: str = ""
    project_id: str = ""
    machine: str = ""
    search: str = ""
    limit: int | None = None
    cursor: str = ""


class AppliedFilters(msgspec.Struct, rename="camel"):
    """The filters as they were understood."""

    kind: list[str]
    agent_id: str | None
    project_id: str | None
    machine: str | None
    search: str | None
    limit: int


class Actor(msgspec.Struct):
    """Who did it."""

    type: str
    id: str | None
    name: str


class Resource(msgspec.Struct):
    """What something is about."""

    type: str
    id: str


class Item(msgspec.Struct, rename="camel"):
    """Something that happened."""

    id: str
    kind: str
    action: str
    title: str
    summary: str | None
    severity: str | None
    actor: Actor
    agent_id: str | None
    project_id: str | None
    machine: str | None
    incident_id: int | None
    alert_id: int | None
    resource: Resource | None
    created_at: Time


def decode_filters(request: Request) -> pb.SnapshotFilters:
    """11.1 the six filters and the cursor; what is empty counts for nothing."""
    query = request.query(SnapshotQuery)
    return pb.SnapshotFilters(
        kinds=[kind.strip() for kind in query.kind.split(",") if kind.strip()],
        agent=read_reference(query.agent_id),
        project=read_reference(query.project_id),
        machine=query.machine,
        search=query.search,
        limit=read_limit(query.limit),
        cursor=query.cursor,
    )


def read_reference(text: str) -> str:
    """A UUID, in lower case, or a slug."""
    return text.lower() if UUID.fullmatch(text.lower()) else text


def encode_filters(filters: items_pb2.AppliedFilters) -> AppliedFilters:
    """11.2 `filters`."""
    return AppliedFilters(
        kind=list(filters.kinds),
        agent_id=filters.agent_id if filters.HasField("agent_id") else None,
        project_id=filters.project_id if filters.HasField("project_id") else None,
        machine=filters.machine if filters.HasField("machine") else None,
        search=filters.search if filters.HasField("search") else None,
        limit=filters.limit,
    )


def encode_activity(page: items_pb2.ActivityPage) -> Listing[Item]:
    """11.4 a page of the feed."""
    return Listing(items=[encode_item(item) for item in page.items], next_cursor=page.next_cursor or None, has_more=bool(page.next_cursor))


def encode_item(item: items_pb2.ActivityItem) -> Item:
    """11.4 one item."""
    return Item(
        id=str(item.id),
        kind=item.kind,
        action=item.action,
        title=item.title,
        summary=item.summary if item.HasField("summary") else None,
        severity=item.severity if item.HasField("severity") else None,
        actor=Actor(type=item.actor_type, id=encode_actor_id(item), name=item.actor_name),
        agent_id=item.agent_id if item.HasField("agent_id") else None,
        project_id=item.project_id if item.HasField("project_id") else None,
        machine=item.machine if item.HasField("machine") else None,
        incident_id=item.incident_id if item.HasField("incident_id") else None,
        alert_id=item.alert_id if item.HasField("alert_id") else None,
        resource=Resource(item.resource_type, item.resource_id) if item.HasField("resource_type") else None,
        created_at=format_time(item.create_time),
    )


def encode_actor_id(item: items_pb2.ActivityItem) -> str | None:
    """Users are known by UUIDs in this family; credentials keep the id that they were noted with."""
    if not item.HasField("actor_id"):
        return None
    if item.actor_type == "user" and item.actor_id.isdecimal():
        return identity_of("user", int(item.actor_id))
    return item.actor_id
