"""The push of an inventory (contract lumetry 15.2)."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from gateway.contracts.lumetry.topology import parse_object, pop_metadata, topology_rpc
from gateway.transcode.bodies import MEBIBYTE, read_bytes
from gateway.transcode.failures import Failure, Fault, Reason
from gateway.transcode.handling import json_response
from gateway.transcode.reading import Reader, read_body
from gateway.transcode.request import Request
from lumetry.topology.v1 import topology_service_pb2 as pb

S = TypeVar("S", bound=msgspec.Struct)

IMPORT_LIMIT = 8 * MEBIBYTE
DEADLINE_SECONDS = 60.0
FAILED = "Topology import payload validation failed."
PART = re.compile(r"[.\[]")


class ImportNodeBody(msgspec.Struct, rename="camel"):
    """A node as an inventory sends it."""

    external_id: str
    node_type: str
    display_name: str
    environment: str | None = None
    owner_team: str | None = None
    metadata: dict[str, Any] | None = None


class ImportEdgeBody(msgspec.Struct, rename="camel"):
    """An edge as an inventory sends it."""

    source_external_id: str
    target_external_id: str
    edge_type: str
    metadata: dict[str, Any] | None = None


class ImportBindingBody(msgspec.Struct, rename="camel"):
    """A binding as an inventory sends it."""

    metric_key: str
    node_external_id: str
    labels: dict[str, str] | None = None


class ImportHead(msgspec.Struct, rename="camel"):
    """A push without its contents."""

    source: str
    import_id: str
    mode: str | None = None


class ImportBody(ImportHead, rename="camel"):
    """A push."""

    nodes: list[ImportNodeBody] = []
    edges: list[ImportEdgeBody] = []
    bindings: list[ImportBindingBody] = []


class Counts(msgspec.Struct):
    """What became of nodes or edges."""

    created: int
    updated: int
    unchanged: int
    retired: int


class BindingCounts(msgspec.Struct):
    """What became of bindings."""

    created: int
    unchanged: int


class ImportAnswer(msgspec.Struct, rename="camel"):
    """What a push did."""

    import_id: str
    source: str
    replayed: bool
    nodes: Counts
    edges: Counts
    bindings: BindingCounts


IMPORT = topology_rpc("ImportTopology")


async def answer_import(request: Request) -> web.Response:
    """15.2 `POST /v1/topology`. What cannot be read is told together with what the core finds wrong with the rest."""
    request.content = await read_bytes(request.http, IMPORT_LIMIT, gzip=True)
    data, faults = parse_object(request)
    message = decode_import(data, faults)
    message.validate_only = bool(faults)
    reply = await request.core.call(IMPORT, message, request.metadata, timeout=DEADLINE_SECONDS, rates=request.rates)
    unread = {fault.path for fault in faults}
    faults += [Fault(fault.path, fault.message) for fault in reply.faults if not is_within(fault.path, unread)]
    if faults:
        raise Failure(Reason.VALIDATION_FAILED, FAILED, faults=tuple(faults), from_core=True)
    return json_response(encode_import(reply, message))


def is_within(path: str, unread: Collection[str]) -> bool:
    """Whether a fault only repeats that something could not be read."""
    return "" in unread or path in unread or any(path[: part.start()] in unread for part in PART.finditer(path))


def decode_import(data: object, faults: list[Fault]) -> pb.ImportTopologyRequest:
    """15.2 a push; what cannot be read is noted and left empty in its place, so that the rest can be judged."""
    head = read_body(ImportHead, data, faults)
    payload = data if isinstance(data, dict) else {}
    return pb.ImportTopologyRequest(
        source=head.source or "",
        import_id=head.import_id or "",
        mode=head.mode,
        nodes=[
            pb.TopologyNodeFields(
                external_id=node.external_id,
                node_type=node.node_type,
                display_name=node.display_name,
                environment=node.environment,
                owner_team=node.owner_team,
                metadata_json=metadata,
            )
            if node
            else pb.TopologyNodeFields()
            for node, metadata in read_items(ImportNodeBody, payload, "nodes", faults)
        ],
        edges=[
            pb.ImportedEdge(
                source_external_id=edge.source_external_id,
                target_external_id=edge.target_external_id,
                edge_type=edge.edge_type,
                metadata_json=metadata,
            )
            if edge
            else pb.ImportedEdge()
            for edge, metadata in read_items(ImportEdgeBody, payload, "edges", faults)
        ],
        bindings=[
            pb.ImportedBinding(metric_key=binding.metric_key, node_external_id=binding.node_external_id, labels=labels_of(binding))
            if binding
            else pb.ImportedBinding()
            for binding, _ in read_items(ImportBindingBody, payload, "bindings", faults)
        ],
    )


def read_items(kind: type[S], payload: Mapping[str, Any], name: str, faults: list[Fault]) -> Iterator[tuple[S | None, str | None]]:
    """The items of an array one by one, with their metadata; None for one that is no object."""
    items = payload.get(name)
    if items is not None and not isinstance(items, list):
        faults.append(Fault(name, "must be an array"))
        return
    reader = Reader(faults, text=False)
    for position, item in enumerate(items or ()):
        path = f"{name}[{position}]"
        if isinstance(item, dict):
            metadata = pop_metadata(item, f"{path}.", faults)
            yield reader.struct(kind, item, path), metadata
        else:
            faults.append(Fault(path, "must be an object"))
            yield None, None


def labels_of(binding: ImportBindingBody) -> dict[str, str]:
    """The labels of a binding that could be read."""
    return {name: value for name, value in (binding.labels or {}).items() if name is not None and value is not None}


def encode_import(reply: pb.ImportTopologyResponse, asked: pb.ImportTopologyRequest) -> ImportAnswer:
    """15.2 what a push did."""
    return ImportAnswer(
        import_id=asked.import_id,
        source=asked.source,
        replayed=reply.replayed,
        nodes=encode_counts(reply.nodes),
        edges=encode_counts(reply.edges),
        bindings=BindingCounts(reply.bindings_created, reply.bindings_unchanged),
    )


def encode_counts(counts: pb.ImportCounts) -> Counts:
    """15.2 what became of nodes or edges."""
    return Counts(counts.created, counts.updated, counts.unchanged, counts.retired)
