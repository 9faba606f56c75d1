import asyncio
import json
from typing import Any

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.app import build_families
from gateway.config import Config
from gateway.openapi.documents import WHOLE, Documents, build_documents, merge, read_examples
from gateway.transcode.channel import find_rpc
from gateway.transcode.failures import Failure
from gateway.transcode.families import Families, Family, Rendered
from gateway.transcode.openapi import build_document
from gateway.transcode.routes import Route
from lumetry.alerts.v1 import alert_service_pb2

LIST_ALERTS = find_rpc(alert_service_pb2.DESCRIPTOR, "AlertService", "ListAlerts")
FAMILIES = build_families(Config())
DOCUMENTS = {name: json.loads(document) for name, document in build_documents(FAMILIES).items()}


async def test_make_documents_when_first_asked() -> None:
    """Each document is there however it is asked for, and is made once for all who ask at the same time."""
    documents = Documents(FAMILIES)
    whole, again, lumetry = await asyncio.gather(documents.read(WHOLE), documents.read(WHOLE), documents.read("lumetry"))
    assert whole is again
    assert {"whole": json.loads(whole), "lumetry": json.loads(lumetry)} == {"whole": DOCUMENTS[WHOLE], "lumetry": DOCUMENTS["lumetry"]}


def operations_of(document: Any) -> dict[str, Any]:
    return {f"{method.upper()} {path}": operation for path, item in document["paths"].items() for method, operation in item.items()}


def references_in(part: Any) -> set[str]:
    if isinstance(part, list):
        return set().union(*map(references_in, part))
    if isinstance(part, dict):
        own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*(references_in(value) for key, value in part.items() if key != "examples"))
    return set()


@pytest.mark.parametrize("name", [*(family.name for family in FAMILIES.all), WHOLE])
def test_build_valid_document(name: str) -> None:
    """Every document is valid, names each operation once, and refers to nothing that it does not have."""
    document = DOCUMENTS[name]
    OpenAPIV31SpecValidator(document).validate()
    ids = [operation["operationId"] for operation in operations_of(document).values()]
    assert len(ids) == len(set(ids))
    assert references_in(document) <= {f"#/components/schemas/{schema}" for schema in document["components"]["schemas"]}


def test_describe_every_route() -> None:
    """Each family's document has its rows, and the whole has all of them, each with its family."""
    rows = {family.name: {route.name for route in family.routes} for family in FAMILIES.all}
    assert {name: set(operations_of(document)) for name, document in DOCUMENTS.items() if name != WHOLE} == rows
    families: dict[str, set[str]] = {name: set() for name in rows}
    for name, operation in operations_of(DOCUMENTS[WHOLE]).items():
        families[operation["x-family"]].add(name)
    assert families == rows


@pytest.mark.parametrize("family", FAMILIES.all, ids=lambda family: family.name)
def test_answer_failures_as_family(family: Family) -> None:
    """Every operation fails with its family's body and no other's."""
    for document, name in (
        (DOCUMENTS[family.name], family.problem.__name__),
        (DOCUMENTS[WHOLE], f"{family.name}.{family.problem.__name__}"),
    ):
        operations = operations_of(document)
        for route in family.routes:
            content = operations[route.name]["responses"]["default"]["content"]
            assert {media: described["schema"] for media, described in content.items()} == {
                family.problem_type: {"$ref": f"#/components/schemas/{name}"}
            }


def test_show_examples_of_cases() -> None:
    """The documents show what the contract's cases hold, from files of the package."""
    operation = operations_of(DOCUMENTS[WHOLE])["GET /api/v1/runtime/status"]
    shown = operation["responses"]["200"]["content"]["application/json"]["examples"]
    assert shown["connected"]["value"]["metadata"]["engine"] == "docker"
    assert operation["responses"]["401"]["content"]["application/json"]["examples"]["unauthorized"]["value"] == {
        "error": {"code": "unauthorized", "message": "A valid credential is required"}
    }
    assert read_examples("no-such-family") == {}


class Item(msgspec.Struct):
    """An item of one family."""

    left: int


ItemOfOne = Item


class Item(msgspec.Struct, tag="item"):  # type: ignore[no-redef]
    """An item of another family."""

    right: str


class Piece(msgspec.Struct):
    """A part whose field has a word of OpenAPI for its name."""

    name: str


class Other(msgspec.Struct, tag="other"):
    """What an item may also be."""

    examples: Piece


def fail(_failure: Failure, _request_id: str) -> Rendered:
    raise AssertionError("nobody asks")


def test_keep_types_of_families_apart() -> None:
    """Two families' types of one name stay two types, through unions and discriminators too; each family's credentials are its own."""
    one = Family(
        name="one",
        prefixes=("",),
        routes=(Route(method="GET", path="/a", heading="A", rpc=LIST_ALERTS, answer=ItemOfOne),),
        render=fail,
        problem=ItemOfOne,
    )
    two = Family(
        name="two",
        prefixes=("/b",),
        routes=(Route(method="GET", path="/b", heading="B", rpc=LIST_ALERTS, answer=Item | Other),),
        render=fail,
        problem=Other,
        schemes={"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}},
    )
    whole = json.loads(build_documents(Families([one, two]))[WHOLE])
    OpenAPIV31SpecValidator(whole).validate()
    schemas = whole["components"]["schemas"]
    assert {name: list(schema["properties"]) for name, schema in schemas.items()} == {
        "one.Item": ["left"],
        "two.Item": ["type", "right"],
        "two.Other": ["type", "examples"],
        "two.Piece": ["name"],
    }
    assert references_in(whole) <= {f"#/components/schemas/{name}" for name in schemas}
    answer = whole["paths"]["/b"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer["discriminator"]["mapping"] == {"item": "#/components/schemas/two.Item", "other": "#/components/schemas/two.Other"}
    assert {path: item["get"]["security"] for path, item in whole["paths"].items()} == {
        "/a": [{"one.bearer": []}],
        "/b": [{"two.key": []}],
    }


def test_leave_examples_as_they_are() -> None:
    """An example that looks like a reference is not one."""
    plain = build_document((), title="T", version="1", problem=Other, problem_type="application/json")
    operation = {"tags": ["x"], "examples": {"a": {"value": {"$ref": "#/components/schemas/Item"}}}, "$ref": "#/components/schemas/Item"}
    merged = merge({"one": {**plain, "paths": {"/a": {"get": operation}}}}, "1")["paths"]["/a"]["get"]
    assert merged["examples"] == operation["examples"]
    assert merged["$ref"] == "#/components/schemas/one.Item"
