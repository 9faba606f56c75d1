"""The OpenAPI 3.1 document of a family, made of its route rows, the types they name and the examples that its cases gave."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_origin

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.transcode.routes import Route

JSON_MEDIA = "application/json"
REFERENCE = "#/components/schemas/{name}"
PARAMETER_SCHEMAS: Mapping[str, Mapping[str, object]] = {
    "int": {"type": "integer", "minimum": 1, "maximum": 2**53 - 1},
    "uuid": {"type": "string", "format": "uuid"},
    "key": {"type": "string", "minLength": 1},
    "rest": {"type": "string", "minLength": 1},
}
FAILURES = (("401", "The credential is missing, unknown, expired or revoked."), ("403", "The permission is missing."))
COMMON_SEGMENTS = ("api", "v1")
"""Leading segments that group nothing."""
BEARER: Mapping[str, Mapping[str, object]] = {"bearer": {"type": "http", "scheme": "bearer"}}


class Examples(msgspec.Struct, omit_defaults=True):
    """What the cases of one endpoint show, each under the name of its case."""

    parameters: dict[str, str] = {}
    """Values of path and query parameters."""
    requests: dict[str, Any] = {}
    """Bodies that succeed."""
    responses: dict[str, dict[str, Any]] = {}
    """Bodies of answers by status."""


NO_EXAMPLES = Examples()


def build_document(
    routes: Sequence[Route],
    *,
    title: str,
    version: str,
    problem: type[msgspec.Struct],
    problem_type: str,
    schemes: Mapping[str, Mapping[str, object]] = BEARER,
    examples: Mapping[str, Examples] | None = None,
) -> dict[str, Any]:
    """Describes all routes.

    Args:
        routes: The rows.
        title: Of the API.
        version: Of the product.
        problem: The body of errors.
        problem_type: Its media type.
        schemes: How credentials travel, each way by its name; any one is enough.
        examples: By the name of the row.
    """
    types = [part for route in routes for part in (route.body, route.answer) if part is not None]
    references, components = msgspec.json.schema_components([*types, problem], schema_hook=schema_of_custom, ref_template=REFERENCE)
    schemas = iter(references)
    failure = {"content": {problem_type: {"schema": references[-1]}}}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        body = next(schemas) if route.body is not None else None
        answer = next(schemas) if route.answer is not None else None
        shown = (examples or {}).get(route.name, NO_EXAMPLES)
        paths.setdefault(route.template, {})[route.method.lower()] = describe(route, body, answer, failure, shown)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": dict(schemes)},
        "security": [{name: []} for name in schemes],
    }


def describe(route: Route, body: object, answer: object, failure: Mapping[str, Any], examples: Examples) -> Mapping[str, Any]:
    """One operation."""
    success: dict[str, Any] = {"description": "Done."}
    if answer is not None:
        success["content"] = {route.media_type: {"schema": answer}}
    elif route.status == 200:
        success["content"] = {route.media_type: {"schema": {"type": "string"}}}
    responses = {str(route.status): success, **queued_of(route, success), **failures_of(route, failure)}
    if route.tagged:
        success["headers"] = {"ETag": {"description": "Marks this form of the answer.", "schema": {"type": "string"}}}
        responses["304"] = {"description": "The client has this form already; no body."}
    operation: dict[str, Any] = {
        "operationId": operation_id(route),
        "summary": route.heading,
        "tags": [tag_of(route)],
        "responses": with_examples(responses, examples),
    }
    parameters = [*path_parameters(route, examples), *query_parameters(route, examples)]
    if route.tagged:
        parameters.append({"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}})
    if parameters:
        operation["parameters"] = parameters
    if body is not None:
        content: dict[str, Any] = {"schema": body}
        if examples.requests:
            content["examples"] = {name: {"value": value} for name, value in examples.requests.items()}
        operation["requestBody"] = {"required": not route.body_optional, "content": {JSON_MEDIA: content}}
    if route.public:
        operation["security"] = []
    elif route.rpc is not None and route.rpc.permissions:
        operation["description"] = f"Needs {' or '.join(route.rpc.permissions)}."
        operation["x-permissions"] = list(route.rpc.permissions)
    return operation


def queued_of(route: Route, success: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answer of an operation that may take longer."""
    return {"202": {**success, "description": "Queued; the answer is of the same form."}} if route.may_queue else {}


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


def with_examples(responses: Mapping[str, Any], examples: Examples) -> Mapping[str, Any]:
    """The responses with the examples of their statuses; those of a status without a response of its own stand under `default`."""
    shown: dict[str, dict[str, Any]] = {}
    for status, values in examples.responses.items():
        shown.setdefault(status if status in responses else "default", {}).update(
            {name: {"value": value} for name, value in values.items()}
        )
    return {
        status: response
        if status not in shown or "content" not in response
        else {**response, "content": {media: {**content, "examples": shown[status]} for media, content in response["content"].items()}}
        for status, response in responses.items()
    }


def path_parameters(route: Route, examples: Examples) -> Iterable[Mapping[str, Any]]:
    """The placeholders of the path."""
    for name, kind in route.parameters.items():
        schema = PARAMETER_SCHEMAS[kind]
        yield {"name": name, "in": "path", "required": True, "schema": schema, **example_of(name, schema, examples)}


def query_parameters(route: Route, examples: Examples) -> Iterable[Mapping[str, Any]]:
    """The fields of the query struct; they are all optional."""
    if route.query is None:
        return
    reference, components = msgspec.json.schema_components([route.query], schema_hook=schema_of_custom, ref_template="{name}")
    for name, described in components[reference[0]["$ref"]]["properties"].items():
        schema = without_null(described)
        yield {"name": name, "in": "query", "required": False, "schema": schema, **example_of(name, schema, examples)}


def example_of(name: str, schema: Mapping[str, object], examples: Examples) -> Mapping[str, Any]:
    """The example of a parameter, as a number or boolean where it is one; a text that only a lenient reader takes is no example."""
    text = examples.parameters.get(name)
    if text is None:
        return {}
    if schema.get("type") not in ("integer", "number", "boolean"):
        return {"example": text}
    try:
        return {"example": msgspec.json.decode(text)}
    except msgspec.DecodeError:
        return {}


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
    if len(segments) == 1:
        return "operations"
    while len(segments) > 1 and segments[0] in COMMON_SEGMENTS:
        segments.pop(0)
    return segments[0]


def schema_of_custom(kind: type[Any]) -> dict[str, Any]:
    """Schemas of types that msgspec does not know."""
    if kind is Timestamp:
        return {"type": "string", "format": "date-time"}
    raise NotImplementedError(get_origin(kind) or kind)
