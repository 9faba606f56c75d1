"""Runs every case of every documented endpoint, and keeps rows, document and cases in step.

A case is `<family>/<endpoint>/<case>.json`: `given` says what each RPC answers (`reply`, `failure`, or `events` of a stream), `request` is
the HTTP request, `rpc` what the core must be asked (`ignored` names fields that differ every time), `response` the whole answer.
"""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pool, json_format, message_factory
from openapi_schema_validator import OAS31Validator
from yarl import URL

from gateway.openapi.documents import build_documents
from gateway.transcode.families import Families, Family
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from tests.contract.examples import FAMILIES, FOLDER, TARGET, collect, endpoint_of, read_case, render
from tests.gateway.fake_core import generated_services

DOCUMENTS = Path(__file__).parents[2] / "docs" / "contracts"
DESCRIPTIONS = {name: json.loads(document) for name, document in build_documents(Families(FAMILIES.values())).items()}
CASES = sorted(FOLDER.glob("*/*/*.json"))
RPCS = {
    method.name: method
    for module, service in generated_services()
    for method in descriptor_pool.Default().FindServiceByName(f"{module.__name__.rpartition('.')[0]}.{service}").methods
}
HEADING = re.compile(r"^### (.+)$", re.MULTILINE)
DOCUMENTED = re.compile(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^`?]*)`")


def read_answer(rpc: str, given: dict[str, Any]) -> Any:
    """What an RPC answers in a case."""
    reply = message_factory.GetMessageClass(RPCS[rpc].output_type)
    if "failure" in given:
        failure = given["failure"]
        faults = tuple(Fault(fault["path"], fault["message"]) for fault in failure.get("faults", ()))
        return LumetryError(Reason(failure["reason"]), failure["message"], faults=faults, **failure.get("metadata", {}))
    if "events" in given:

        async def watch(_request: Any, _context: Any) -> AsyncIterator[Any]:
            for event in given["events"]:
                yield json_format.ParseDict(event, reply())

        return watch
    return json_format.ParseDict(given["reply"], reply())


def name_of(path: Path) -> str:
    """The name of a case's test."""
    return "/".join(path.with_suffix("").parts[-3:])


def test_rpcs_have_names_of_their_own() -> None:
    """Cases, metrics and logs name an RPC without its service."""
    names = [
        method.name
        for module, service in generated_services()
        for method in descriptor_pool.Default().FindServiceByName(f"{module.__name__.rpartition('.')[0]}.{service}").methods
    ]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("path", CASES, ids=name_of)
async def test_answer_as_documented(path: Path, client: Any, core: Any, url: str) -> None:
    """The case holds: the core is asked as expected and the answer is the documented one."""
    case = read_case(path)
    for rpc, given in case["given"].items():
        core.answers[rpc] = read_answer(rpc, given)
    asked = case["request"]
    headers = {"X-Request-Id": "r-1", "Authorization": "Bearer lmt_1", **asked.get("headers", {})}
    data = None
    if "body" in asked:
        headers.setdefault("Content-Type", "application/json")
        data = asked["body"].encode() if isinstance(asked["body"], str) else json.dumps(asked["body"]).encode()
    headers = {name: value for name, value in headers.items() if value is not None}
    async with client.request(
        asked["method"], URL(url + asked["path"], encoded=True), headers=headers, data=data, allow_redirects=False
    ) as response:
        content = (await response.read()).decode()
        answered = {"status": response.status, "headers": {name: response.headers.get(name) for name in case["response"]["headers"]}}
    expected = case["response"]
    if "contains" in expected:
        assert expected["contains"] in content
        answered["contains"] = expected["contains"]
    elif "text" in expected:
        answered["text"] = content
    else:
        answered["body"] = json.loads(content) if content else None
    assert answered == expected
    if "rpc" in case:
        [request] = core.requests(case["rpc"]["method"])
        sent = json_format.MessageToDict(request)
        for name in case["rpc"].get("ignored", ()):
            sent.pop(name)
        assert sent == case["rpc"]["request"]


families = pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)


@families
def test_match_rows_and_document(family: Family) -> None:
    """Every row has its heading and names its path there; every heading and every path of the document has a row."""
    text = (DOCUMENTS / f"{family.name}.md").read_text()
    sections = dict(zip(*[iter(HEADING.split(text)[1:])] * 2, strict=True))
    documented = {heading: set(DOCUMENTED.findall(section.split("\n## ")[0])) for heading, section in sections.items()}
    rows: dict[str, set[str]] = {}
    for route in family.routes:
        rows.setdefault(route.heading, set()).add(route.name)
    assert documented == rows


@families
def test_match_rows_and_cases(family: Family) -> None:
    """Every endpoint has a case, every folder of cases an endpoint."""
    found = {path.parent.name for path in CASES if path.parts[-3] == family.name}
    assert found == {endpoint_of(route) for route in family.routes}


@families
def test_match_examples_and_cases(family: Family) -> None:
    """The examples in the package are those of the cases; `python -m tests.contract.examples` writes them."""
    assert (TARGET / f"{family.name}.json").read_bytes() == render(collect(family))


@pytest.mark.parametrize("path", CASES, ids=name_of)
def test_match_case_and_schema(path: Path) -> None:
    """What a case is answered, and what it sends when it succeeds, has the shape that the OpenAPI document promises."""
    case = read_case(path)
    family = path.parts[-3]
    [route] = [route for route in FAMILIES[family].routes if endpoint_of(route) == path.parent.name]
    document = DESCRIPTIONS[family]
    operation = document["paths"][route.template][route.method.lower()]
    answered = case["response"]
    if answered.get("body") is not None:
        described = operation["responses"].get(str(answered["status"]), operation["responses"]["default"])
        [media] = described["content"].values()
        OAS31Validator({**media["schema"], "components": document["components"]}).validate(answered["body"])
    if answered["status"] < 400 and isinstance(case["request"].get("body"), dict):
        [media] = operation["requestBody"]["content"].values()
        OAS31Validator({**media["schema"], "components": document["components"]}).validate(case["request"]["body"])
