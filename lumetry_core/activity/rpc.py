"""ActivityService on the wire."""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from lumetry.activity.v1 import activity_pb2
from lumetry.activity.v1 import activity_service_pb2 as pb
from lumetry.activity.v1.activity_service_pb2_grpc import ActivityServiceServicer
from lumetry_core.activity.asking import check_asked
from lumetry_core.activity.model import Item, ItemFilter, Sight
from lumetry_core.activity.service import list_activity
from lumetry_core.runtime.caller import Permission
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import encode_time

Context = grpc.aio.ServicerContext[Any, Any]
ListHidden = Callable[[Transaction, int, int | None], Awaitable[frozenset[str]]]
"""The private projects of others, for an organization and a user. The area that knows stands above this one."""


class ActivityServicer(ActivityServiceServicer):
    """Reads the activity feed."""

    def __init__(self, database: Database, list_hidden: ListHidden) -> None:
        self._database = database
        self._list_hidden = list_hidden

    async def ListActivity(self, request: pb.ListActivityRequest, context: Context) -> pb.ListActivityResponse:
        """See the proto."""
        caller = current_caller()
        wanted = ItemFilter(
            kinds=frozenset(request.kinds),
            agent_id=request.agent_id or None,
            project_id=request.project_id or None,
            machine=request.machine or None,
            search=request.search,
        )
        limit = check_asked(wanted, request.limit if request.HasField("limit") else None)
        async with self._database.read() as tx:
            hidden = await self._list_hidden(tx, caller.organization_id, caller.user_id)
            sight = Sight(hidden, caller.may(Permission.VIEW_LOGS))
            page = await list_activity(tx, caller.organization_id, wanted, sight, limit=limit, cursor=request.cursor)
        return pb.ListActivityResponse(items=[encode_item(item) for item in page.items], next_cursor=page.next_cursor)


def encode_item(item: Item) -> activity_pb2.Activity:
    """An item on the wire."""
    draft = item.draft
    encoded = activity_pb2.Activity(
        id=item.id,
        kind=draft.kind,
        action=draft.action,
        title=draft.title,
        summary=draft.summary or "",
        severity="" if draft.severity is None else draft.severity.value,
        actor=activity_pb2.ActivityActor(type=draft.actor.type.value, id=draft.actor.id or "", name=draft.actor.name),
        agent_id=draft.agent_id or "",
        project_ids=draft.project_ids,
        machine=draft.machine or "",
        incident_id=draft.incident_id,
        alert_id=draft.alert_id,
        create_time=encode_time(item.create_time),
    )
    if draft.resource is not None:
        encoded.resource.CopyFrom(activity_pb2.ActivityResource(type=draft.resource.type, id=draft.resource.id))
    return encoded
