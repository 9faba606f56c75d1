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
from google.protobuf import json_format, message_factory
from openapi_spec_validator import OpenAPIV31SpecValidator
from yarl import URL

from gateway.app import build_openapi
from gateway.contracts.lumetry.routes import ROUTES
from gateway.transcode.routes import Route
from lumetry.access.v1 import access_service_pb2
from lumetry.alerts.v1 import alert_service_pb2
from lumetry.collectors.v1 import collector_service_pb2
from lumetry.evaluation.v1 import evaluation_service_pb2
from lumetry.incidents.v1 import event_service_pb2, incident_service_pb2
from lumetry.metrics.v1 import ingestion_service_pb2, metric_service_pb2
from lumetry.rules.v1 import rule_service_pb2
from lumetry.runtime.v1 import status_service_pb2
from lumetry.violations.v1 import violation_service_pb2
from lumetry_core.runtime.errors import Fault, LumetryError, Reason

FOLDER = Path(__file__).parent / "lumetry"
DOCUMENT = Path(__file__).parents[2] / "docs" / "contracts" / "lumetry.md"
CASES = sorted(FOLDER.glob("*/*.json"))
FILES = (
    access_service_pb2,
    alert_service_pb2,
    collector_service_pb2,
    evaluation_service_pb2,
    event_service_pb2,
    incident_service_pb2,
    ingestion_service_pb2,
    metric_service_pb2,
    rule_service_pb2,
    status_service_pb2,
    violation_service_pb2,
)
RPCS = {method.name: method for file in FILES for service in file.DESCRIPTOR.services_by_name.values() for method in service.methods}
HEADING = re.compile(r"^### (.+)$", re.MULTILINE)
DOCUMENTED = re.compile(r"`((?:GET|POST|PUT|DELETE) /[^`?]*)`")


def endpoint_of(route: Route) -> str:
    """The folder of a route's cases."""
    return re.sub(r"[^a-z0-9]+", "-", route.name.lower()).strip("-")


def read_case(path: Path) -> Any:
    return json.loads(path.read_text())


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


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
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
    async with client.request(asked["method"], URL(url + asked["path"], encoded=True), headers=headers, data=data) as response:
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


def test_match_rows_and_document() -> None:
    """Every row has its heading and names its path there; every heading and every path of the document has a row."""
    text = DOCUMENT.read_text()
    sections = dict(zip(*[iter(HEADING.split(text)[1:])] * 2, strict=True))
    documented = {heading: set(DOCUMENTED.findall(section.split("\n## ")[0])) for heading, section in sections.items()}
    rows: dict[str, set[str]] = {}
    for route in ROUTES:
        rows.setdefault(route.heading, set()).add(route.name)
    assert documented == rows


def test_match_rows_and_cases() -> None:
    """Every endpoint has a case, every folder of cases an endpoint."""
    assert {path.parent.name for path in CASES} == {endpoint_of(route) for route in ROUTES}


def test_generate_valid_openapi() -> None:
    """The OpenAPI document is valid and names every row."""
    document = json.loads(build_openapi())
    OpenAPIV31SpecValidator(document).validate()
    operations = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    assert operations == {route.name for route in ROUTES}


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_match_case_and_schema(path: Path) -> None:
    """The answer of a case has the shape that the OpenAPI document promises."""
    from openapi_schema_validator import OAS31Validator  # noqa: PLC0415 -- only here

    case = read_case(path)
    if case["response"].get("body") is None:
        return
    document = json.loads(build_openapi())
    [route] = [route for route in ROUTES if endpoint_of(route) == path.parent.name]
    responses = document["paths"][route.template][route.method.lower()]["responses"]
    described = responses.get(str(case["response"]["status"]), responses["default"])
    [media] = described["content"].values()
    OAS31Validator({**media["schema"], "components": document["components"]}).validate(case["response"]["body"])
