"""The routes of collectors, but for their work (contract lumetry 16)."""

from gateway.contracts.lumetry import collector_protocol, collectors
from gateway.transcode.channel import Rpc, find_rpc
from gateway.transcode.routes import Route
from lumetry.collectors.v1 import collector_service_pb2


def collector_rpc(method: str) -> Rpc:
    """An RPC of the collector service."""
    return find_rpc(collector_service_pb2.DESCRIPTOR, "CollectorService", method)


COLLECTOR = (collector_rpc("GetCollector"), collectors.decode_get)

COLLECTOR_ROUTES = (
    Route(
        method="GET",
        path="/api/collectors",
        heading="List collectors",
        rpc=collector_rpc("ListCollectors"),
        decode=collectors.decode_list,
        encode=collectors.encode_list,
        answer=list[collectors.Collector],
    ),
    Route(
        method="POST",
        path="/api/collectors",
        heading="Register a collector",
        rpc=collector_rpc("CreateCollector"),
        body=collectors.CollectorBody,
        decode=collectors.decode_create,
        encode=collectors.encode_registration,
        status=201,
        answer=collectors.Registration,
    ),
    Route(
        method="GET",
        path="/api/collectors/{id:uuid}",
        heading="Read a collector",
        rpc=collector_rpc("GetCollector"),
        decode=collectors.decode_get,
        encode=collectors.encode_get,
        answer=collectors.CollectorWithConfig,
    ),
    Route(
        method="POST",
        path="/api/collectors/{id:uuid}/enrollment-token",
        heading="Replace an enrollment token",
        rpc=collector_rpc("RenewCollectorEnrollmentToken"),
        decode=collectors.decode_renew_token,
        encode=collectors.encode_registration,
        answer=collectors.Registration,
    ),
    Route(
        method="PUT",
        path="/api/collectors/{id:uuid}/config",
        heading="Configure a collector",
        rpc=collector_rpc("UpdateCollectorConfig"),
        body=collectors.CollectorConfig,
        decode=collectors.decode_update_config,
        encode=collectors.encode_collector,
        existence=COLLECTOR,
        answer=collectors.Collector,
    ),
    Route(
        method="POST",
        path="/api/collectors/{id:uuid}/revoke",
        heading="Revoke a collector",
        rpc=collector_rpc("RevokeCollector"),
        decode=collectors.decode_revoke,
        encode=collectors.encode_collector,
        answer=collectors.Collector,
    ),
    Route(
        method="POST",
        path="/v1/collectors/enroll",
        heading="Enroll a collector",
        rpc=collector_rpc("EnrollCollector"),
        body=collector_protocol.EnrollBody,
        gzip=True,
        decode=collector_protocol.decode_enroll,
        encode=collector_protocol.encode_enroll,
        status=201,
        answer=collector_protocol.Enrollment,
    ),
    Route(
        method="POST",
        path="/v1/collectors/heartbeat",
        heading="Send a heartbeat",
        rpc=collector_rpc("SendHeartbeat"),
        body=collector_protocol.HeartbeatBody,
        gzip=True,
        decode=collector_protocol.decode_heartbeat,
        encode=collector_protocol.encode_heartbeat,
        answer=collector_protocol.HeartbeatAnswer,
    ),
    Route(
        method="GET",
        path="/v1/collectors/config",
        heading="Fetch the wanted configuration",
        rpc=collector_protocol.FETCH_CONFIG,
        handle=collector_protocol.answer_config,
        answer=collector_protocol.WantedConfig,
        tagged=True,
    ),
    Route(
        method="POST",
        path="/v1/collectors/credentials/rotate",
        heading="Rotate a collector's credential",
        rpc=collector_rpc("RotateCollectorCredential"),
        decode=collector_protocol.decode_rotate,
        encode=collector_protocol.encode_rotate,
        answer=collector_protocol.Rotation,
    ),
)
