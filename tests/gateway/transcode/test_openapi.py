from typing import Any, Literal

import msgspec
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.transcode.channel import find_rpc
from gateway.transcode.openapi import Examples, build_document, operation_id, tag_of
from gateway.transcode.routes import Route
from lumetry.alerts.v1 import alert_service_pb2
from lumetry.runtime.v1 import status_service_pb2

LIST_ALERTS = find_rpc(alert_service_pb2.DESCRIPTOR, "AlertService", "ListAlerts")
GET_READINESS = find_rpc(status_service_pb2.DESCRIPTOR, "StatusService", "GetReadiness")
REFERENCE = "#/components/schemas/"


class Wrong(msgspec.Struct):
    """An error."""

    code: str


class Filters(msgspec.Struct, rename="camel"):
    """A query."""

    page_size: int | None = None
    is_open: bool | None = None
    order: Literal["asc", "desc"] = "asc"
    after: Timestamp | None = None


class Part(msgspec.Struct):
    """A part."""

    name: str


class Thing(msgspec.Struct):
    """A thing."""

    id: int
    parts: list[Part]


def document_of(*routes: Route, **more: Any) -> Any:
    built = build_document(routes, title="T", version="1", problem=Wrong, problem_type="application/problem+json", **more)
    document = msgspec.json.decode(msgspec.json.encode(built))
    OpenAPIV31SpecValidator(document).validate()
    return document


def route(method: str = "GET", path: str = "/api/things", **more: Any) -> Route:
    return Route(method=method, path=path, heading="Things", **more)


FAILURE = {"application/problem+json": {"schema": {"$ref": f"{REFERENCE}Wrong"}}}


def test_describe_operation() -> None:
    """An operation has its parameters, body, answers with the family's error body, and permissions."""
    row = route("PUT", "/api/things/{id:int}", rpc=LIST_ALERTS, body=Thing, query=Filters, answer=Thing, status=201)
    operation = document_of(row)["paths"]["/api/things/{id}"]["put"]
    assert operation == {
        "operationId": "putApiThingsId",
        "summary": "Things",
        "tags": ["things"],
        "description": "Needs CanViewAlerts.",
        "x-permissions": ["CanViewAlerts"],
        "parameters": [
            {"name": "id", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1, "maximum": 9007199254740991}},
            {"name": "pageSize", "in": "query", "required": False, "schema": {"type": "integer"}},
            {"name": "isOpen", "in": "query", "required": False, "schema": {"type": "boolean"}},
            {"name": "order", "in": "query", "required": False, "schema": {"enum": ["asc", "desc"], "default": "asc"}},
            {"name": "after", "in": "query", "required": False, "schema": {"type": "string", "format": "date-time"}},
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": f"{REFERENCE}Thing"}}}},
        "responses": {
            "201": {"description": "Done.", "content": {"application/json": {"schema": {"$ref": f"{REFERENCE}Thing"}}}},
            "400": {"description": "The request is not valid; nothing was written.", "content": FAILURE},
            "401": {"description": "The credential is missing, unknown, expired or revoked.", "content": FAILURE},
            "403": {"description": "The permission is missing.", "content": FAILURE},
            "404": {"description": "No such resource.", "content": FAILURE},
            "default": {"description": "Any other failure.", "content": FAILURE},
        },
    }


def test_describe_public_operation() -> None:
    """Who needs no credential is not told of refusals."""
    operation = document_of(route(rpc=GET_READINESS))["paths"]["/api/things"]["get"]
    assert (operation["security"], list(operation["responses"])) == ([], ["200", "default"])


def test_describe_ways_of_credentials() -> None:
    """Any one of a family's ways is enough."""
    key = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    document = document_of(route(rpc=LIST_ALERTS), schemes={"bearer": {"type": "http", "scheme": "bearer"}, "key": key})
    assert document["security"] == [{"bearer": []}, {"key": []}]
    assert document["components"]["securitySchemes"]["key"] == key


def test_show_examples() -> None:
    """Examples stand with the body and the answer of their status, or with any other failure; parameters have the type of their schema."""
    row = route("PUT", "/api/things/{id:int}", rpc=LIST_ALERTS, body=Thing, query=Filters, answer=Thing)
    examples = Examples(
        parameters={"id": "7", "pageSize": "x", "isOpen": "true", "order": "desc"},
        requests={"plain": {"id": 7}},
        responses={"200": {"plain": {"id": 7}}, "400": {"fault": {"code": "a"}}, "409": {"taken": {"code": "b"}}},
    )
    operation = document_of(row, examples={row.name: examples})["paths"]["/api/things/{id}"]["put"]
    assert {parameter["name"]: parameter.get("example") for parameter in operation["parameters"]} == {
        "id": 7,
        "pageSize": None,
        "isOpen": True,
        "order": "desc",
        "after": None,
    }
    assert operation["requestBody"]["content"]["application/json"]["examples"] == {"plain": {"value": {"id": 7}}}
    shown = {
        status: content["examples"]
        for status, response in operation["responses"].items()
        for content in response["content"].values()
        if "examples" in content
    }
    assert shown == {
        "200": {"plain": {"value": {"id": 7}}},
        "400": {"fault": {"value": {"code": "a"}}},
        "default": {"taken": {"value": {"code": "b"}}},
    }


@pytest.mark.parametrize(
    ("path", "tag"),
    [
        ("/healthz", "operations"),
        ("/openapi.json", "operations"),
        ("/api/rules/{id:int}", "rules"),
        ("/v1/metrics", "metrics"),
        ("/api/v1/containers/{id:int}/logs", "containers"),
        ("/ping/{uuid:uuid}/start", "ping"),
        ("/docs/api", "docs"),
    ],
)
def test_group_by_resource(path: str, tag: str) -> None:
    """Operations are grouped by the first segment that tells them apart."""
    assert tag_of(route(path=path)) == tag


def test_name_operation() -> None:
    """An operation is named after method and path."""
    assert operation_id(route("POST", "/api/v1/api-keys/{id:int}/x.json")) == "postApiV1ApiKeysIdXJson"
