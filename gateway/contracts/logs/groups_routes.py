"""Routes of error groups (contract logs 7.6)."""

from gateway.contracts.logs import groups
from gateway.contracts.logs.groups import group_rpc
from gateway.transcode.routes import Route

ROUTES = (
    Route(
        method="GET",
        path="/v1/log-groups",
        heading="List groups",
        rpc=groups.LIST_GROUPS,
        handle=groups.answer_list,
        query=groups.GroupParameters,
        answer=groups.GroupPage,
    ),
    Route(
        method="GET",
        path="/v1/log-groups/{id:int}",
        heading="Group",
        rpc=group_rpc("GetLogGroup"),
        decode=groups.decode_get,
        encode=groups.encode_get,
        answer=groups.GroupDetail,
    ),
    Route(
        method="POST",
        path="/v1/log-groups/{id:int}/resolve",
        heading="Resolve a group",
        rpc=group_rpc("ResolveLogGroup"),
        decode=groups.decode_resolve,
        encode=groups.encode_changed,
        body=groups.NoteBody,
        gzip=True,
        answer=groups.Group,
    ),
    Route(
        method="POST",
        path="/v1/log-groups/{id:int}/ignore",
        heading="Ignore a group",
        rpc=group_rpc("IgnoreLogGroup"),
        decode=groups.decode_ignore,
        encode=groups.encode_changed,
        body=groups.IgnoreBody,
        gzip=True,
        answer=groups.Group,
    ),
    Route(
        method="POST",
        path="/v1/log-groups/{id:int}/reopen",
        heading="Open a group",
        rpc=group_rpc("ReopenLogGroup"),
        decode=groups.decode_reopen,
        encode=groups.encode_changed,
        answer=groups.Group,
    ),
)
