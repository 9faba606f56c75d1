"""The OpenAPI 3.1 document, made of the route rows and the types they name."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_origin

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.transcode.routes import Route

JSON_MEDIA = "application/json"
REFERENCE = "#/components/schemas/{name}"
PARAMETER_SCHEMAS: Mapping[str, Mapping[str, object]] = {
    "int": {"type": "integer", "minimum": 1, "maximum": 2**53 - 1},
    "key": {"type": "string", "minLength": 1},
}
FAILURES = (("401", "The credential is missing, unknown, expired or revoked."), ("403", "The permission is missing."))


def build_document(
    routes: Sequence[Route], *, title: str, version: str, problem: type[msgspec.Struct], problem_type: str
) -> Mapping[str, Any]:
    """Describes all routes.

    Args:
        routes: The rows.
        title: Of the API.
        version: Of the product.
        problem: The body of errors.
        problem_type: Its media type.
    """
    types = [part for route in routes for part in (route.body, route.answer) if part is not None]
    references, components = msgspec.json.schema_components([*types, problem], schema_hook=schema_of_custom, ref_template=REFERENCE)
    schemas = iter(references)
    failure = {"content": {problem_type: {"schema": references[-1]}}}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        body = next(schemas) if route.body is not None else None
        answer = next(schemas) if route.answer is not None else None
        paths.setdefault(route.template, {})[route.method.lower()] = describe(route, body, answer, failure)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
        "security": [{"bearer": []}],
    }


def describe(route: Route, body: object, answer: object, failure: Mapping[str, Any]) -> Mapping[str, Any]:
    """One operation."""
    success: dict[str, Any] = {"description": "Done."}
    if answer is not None:
        success["content"] = {route.media_type: {"schema": answer}}
    elif route.status == 200:
        success["content"] = {route.media_type: {"schema": {"type": "string"}}}
    operation: dict[str, Any] = {
        "operationId": operation_id(route),
        "summary": route.heading,
        "tags": [tag_of(route)],
        "responses": {str(route.status): success, **failures_of(route, failure)},
    }
    parameters = [*path_parameters(route), *query_parameters(route)]
    if parameters:
        operation["parameters"] = parameters
    if body is not None:
        operation["requestBody"] = {"required": not route.body_optional, "content": {JSON_MEDIA: {"schema": body}}}
    if route.public:
        operation["security"] = []
    elif route.rpc is not None and route.rpc.permissions:
        operation["description"] = f"Needs {' or '.join(route.rpc.permissions)}."
    return operation


def failures_of(route: Route, failure: Mapping[str, Any]) -> Mapping[str, Any]:
    """The documented failures of an operation."""
    described: dict[str, Any] = {}
    if route.body is not None or route.query is not None:
        described["400"] = {"description": "The request is not valid; nothing was written.", **failure}
    if not route.public:
        described |= {status: {"description": text, **failure} for status, text in FAILURES}
    if route.parameters:
        described["404"] = {"description": "No such resource.", **failure}
    described["default"] = {"description": "Any other failure.", **failure}
    return described


def path_parameters(route: Route) -> Iterable[Mapping[str, Any]]:
    """The placeholders of the path."""
    for name, kind in route.parameters.items():
        yield {"name": name, "in": "path", "required": True, "schema": PARAMETER_SCHEMAS[kind]}


def query_parameters(route: Route) -> Iterable[Mapping[str, Any]]:
    """The fields of the query struct; they are all optional."""
    if route.query is None:
        return
    schema = msgspec.json.schema(route.query, schema_hook=schema_of_custom)
    for name, described in next(iter(schema["$defs"].values()))["properties"].items():
        yield {"name": name, "in": "query", "required": False, "schema": without_null(described)}


def without_null(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a query parameter: what is optional in JSON may be null, in a query it is left out."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    plain = {key: value for key, value in schema.items() if key != "anyOf" and not (key == "default" and value is None)}
    return {**plain, **choices[0]} if choices else plain


def operation_id(route: Route) -> str:
    """A unique name made of method and path."""
    words = [word for segment in route.template.split("/") for word in segment.strip("{}").replace(".", "-").split("-") if word]
    return route.method.lower() + "".join(word[:1].upper() + word[1:] for word in words)


def tag_of(route: Route) -> str:
    """Routes are grouped by the resource of their path."""
    segments = [segment for segment in route.template.split("/") if segment]
    return segments[1] if len(segments) > 1 else "operations"


def schema_of_custom(kind: type[Any]) -> dict[str, Any]:
    """Schemas of types that msgspec does not know."""
    if kind is Timestamp:
        return {"type": "string", "format": "date-time"}
    raise NotImplementedError(get_origin(kind) or kind)
