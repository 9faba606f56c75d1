"""The rows of the status page (contract monitoring 14, 17.3)."""

from functools import partial

from gateway.contracts.monitoring import status_admin as admin
from gateway.contracts.monitoring import status_page as page
from gateway.contracts.monitoring.status_public import GET_PAGE, WATCH_PAGE
from gateway.contracts.monitoring.stream import StreamQuery
from gateway.statuspage.files import NAMES, ROOT, read_file
from gateway.transcode.routes import Route

row = partial(Route, deadline_seconds=10.0)
groups = partial(row, heading="Status page groups")
components = partial(row, heading="Status page components")
public = partial(row, heading="Public status page")

ROUTES = (
    groups(
        method="GET",
        path="/api/v1/status/groups",
        rpc=admin.LIST_GROUPS,
        decode=admin.decode_list_groups,
        encode=admin.encode_groups,
        answer=list[admin.Group],
    ),
    groups(
        method="POST",
        path="/api/v1/status/groups",
        rpc=admin.CREATE_GROUP,
        body=admin.NewGroup,
        decode=admin.decode_create_group,
        encode=admin.encode_one_group,
        answer=admin.Group,
        status=201,
    ),
    groups(
        method="PUT",
        path="/api/v1/status/groups/{id:int}",
        rpc=admin.UPDATE_GROUP,
        body=admin.GroupChange,
        decode=admin.decode_update_group,
        encode=admin.encode_one_group,
        answer=admin.Group,
    ),
    groups(
        method="DELETE",
        path="/api/v1/status/groups/{id:int}",
        rpc=admin.DELETE_GROUP,
        decode=admin.decode_delete_group,
        encode=admin.encode_nothing,
        status=204,
    ),
    components(
        method="GET",
        path="/api/v1/status/components",
        rpc=admin.LIST_COMPONENTS,
        decode=admin.decode_list_components,
        encode=admin.encode_components,
        answer=list[admin.Component],
    ),
    components(
        method="POST",
        path="/api/v1/status/components",
        rpc=admin.CREATE_COMPONENT,
        body=admin.NewComponent,
        decode=admin.decode_create_component,
        encode=admin.encode_one_component,
        answer=admin.Component,
        status=201,
    ),
    components(
        method="PUT",
        path="/api/v1/status/components/{id:int}",
        rpc=admin.UPDATE_COMPONENT,
        body=admin.ComponentChange,
        decode=admin.decode_update_component,
        encode=admin.encode_one_component,
        answer=admin.Component,
    ),
    components(
        method="DELETE",
        path="/api/v1/status/components/{id:int}",
        rpc=admin.DELETE_COMPONENT,
        decode=admin.decode_delete_component,
        encode=admin.encode_nothing,
        status=204,
    ),
    public(method="GET", path="/status", rpc=GET_PAGE, handle=page.answer_page, media_type="text/html"),
    public(method="GET", path="/status/api", rpc=GET_PAGE, handle=page.answer_open_api, answer=page.StatusPage),
    public(
        method="GET",
        path="/status/events",
        rpc=WATCH_PAGE,
        query=StreamQuery,
        handle=page.answer_events,
        media_type="text/event-stream",
    ),
    *(public(method="GET", path=f"{ROOT}/{name}", handle=page.answer_file(name), media_type=read_file(name).media_type) for name in NAMES),
)
