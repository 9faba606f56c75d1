"""Every route of the family that exists, in the order of its document (contract logs 13)."""

from collections.abc import Sequence

from gateway.contracts.logs import groups_routes, keys, rules_routes, search, stream, usage_routes
from gateway.contracts.logs.entries import PushBody
from gateway.contracts.logs.ingestion import PUSH_LOGS, Accepted, Intake
from gateway.transcode.channel import Rpc, find_rpc
from gateway.transcode.routes import Route
from lumetry.logs.v1 import log_key_service_pb2, log_service_pb2


def key_rpc(method: str) -> Rpc:
    """An RPC of the service of keys."""
    return find_rpc(log_key_service_pb2.DESCRIPTOR, "LogKeyService", method)


def build_routes(intake: Intake) -> Sequence[Route]:
    """The rows around what takes batches."""
    return (
        Route(
            method="POST",
            path="/v1/logs",
            heading="Push",
            rpc=PUSH_LOGS,
            handle=intake.push,
            body=PushBody,
            body_limit=intake.max_body_bytes,
            gzip=True,
            answer=Accepted,
        ),
        Route(
            method="GET",
            path="/v1/logs",
            heading="Search",
            rpc=search.SEARCH_LOGS,
            handle=search.search,
            query=search.SearchParameters,
            answer=search.EntryPage,
        ),
        Route(
            method="GET",
            path="/v1/logs/{id:uuid}",
            heading="Entry",
            rpc=find_rpc(log_service_pb2.DESCRIPTOR, "LogService", "GetLog"),
            decode=search.decode_get,
            encode=search.encode_get,
            answer=search.Entry,
        ),
        *stream.ROUTES,
        *usage_routes.ROUTES,
        *rules_routes.ROUTES,
        *groups_routes.ROUTES,
        Route(
            method="GET",
            path="/v1/log-keys",
            heading="List keys",
            rpc=key_rpc("ListLogKeys"),
            decode=keys.decode_list,
            encode=keys.encode_list,
            query=keys.KeyParameters,
            answer=keys.Keys,
        ),
        Route(
            method="POST",
            path="/v1/log-keys",
            heading="Make a key",
            rpc=key_rpc("CreateLogKey"),
            decode=keys.decode_create,
            encode=keys.encode_create,
            status=201,
            body=keys.KeyBody,
            gzip=True,
            answer=keys.NewKey,
        ),
        Route(
            method="DELETE",
            path="/v1/log-keys/{id:uuid}",
            heading="Revoke a key",
            rpc=key_rpc("RevokeLogKey"),
            decode=keys.decode_revoke,
            encode=keys.encode_nothing,
            status=204,
        ),
    )
