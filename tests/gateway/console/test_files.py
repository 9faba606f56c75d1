"""The API page: what it refers to, under which headers it is shown, and, where Node is installed, that it runs."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from gateway.app import build_families
from gateway.config import Config
from gateway.console.files import MEDIA_TYPES, read_file
from gateway.contracts.lumetry.operations import DESCRIBED_FAMILIES, DOCUMENTATION, PAGE_FILES
from gateway.openapi.documents import WHOLE, build_documents

FAMILIES = build_families(Config())
HTML = read_file("api.html").body.decode()
NODE = shutil.which("node")
with_node = pytest.mark.skipif(NODE is None, reason="Node is not installed")
ELSEWHERE = re.compile(r"""(?:https?:)?//[a-z0-9-]+\.[a-z]|@import|url\(""", re.IGNORECASE)
FORBIDDEN = ("innerHTML", "eval(", "document.write", "localStorage", "sessionStorage", "document.cookie")


class Parser(HTMLParser):
    """Collects what a page refers to and what it carries inline."""

    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []
        self.inline: list[str] = []
        self.labelled: set[str] = set()
        self.inputs: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.references += [value for name, value in attrs if name in ("src", "href") and value]
        self.inline += [name for name, _ in attrs if name.startswith("on") or name == "style"]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)
        if tag == "label":
            self.labelled.add(given["for"] or "")
        if tag == "input":
            self.inputs.add(given["id"] or "")


def parse() -> Parser:
    parser = Parser()
    parser.feed(HTML)
    return parser


def test_refer_to_own_files_only() -> None:
    """Everything that the page loads is served by the gateway, and nothing is inline, as its policy demands."""
    parser = parse()
    served = {route.path for route in DOCUMENTATION}
    assert {reference for reference in parser.references if reference.startswith("/")} <= served
    assert {reference for reference in parser.references if not reference.startswith("/")} == {"data:,", "#operations"}
    assert parser.inline == []


@pytest.mark.parametrize("name", [name for _, name in PAGE_FILES])
def test_ask_no_other_host(name: str) -> None:
    """No file names another host, and none is made of strings at run time."""
    text = read_file(name).body.decode()
    assert ELSEWHERE.findall(text) == []
    assert [word for word in FORBIDDEN if word in text] == []


@pytest.mark.parametrize(("path", "name"), PAGE_FILES)
def test_serve_with_strict_policy(path: str, name: str) -> None:
    """Each file has its type and the policy: own scripts and styles only, no frame, no base, no form elsewhere."""
    file = read_file(name)
    assert file.headers["Content-Type"] == MEDIA_TYPES[name.rpartition(".")[2]]
    policy = dict(part.split(" ", 1) for part in file.headers["Content-Security-Policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert file.headers["X-Content-Type-Options"] == "nosniff"
    assert FAMILIES.of(path).name == "lumetry"


def test_label_every_input() -> None:
    """Every input of the page has a label."""
    parser = parse()
    assert parser.inputs == parser.labelled


def test_describe_every_family() -> None:
    """Each family that is spoken has a document under its name."""
    assert set(DESCRIBED_FAMILIES) == {family.name for family in FAMILIES.all}


@with_node
def test_check_script(tmp_path: Path) -> None:
    """The script is valid."""
    (tmp_path / "page.mjs").write_bytes(read_file("api.js").body)
    subprocess.run([str(NODE), "--check", str(tmp_path / "page.mjs")], check=True, capture_output=True)


def run_page(tmp_path: Path, document: Any, operation: str, token: str) -> Any:
    page, described = tmp_path / "page.mjs", tmp_path / "openapi.json"
    page.write_bytes(read_file("api.js").body)
    described.write_text(json.dumps(document))
    command = [str(NODE), str(Path(__file__).with_name("page_run.mjs")), str(page), str(described), operation, token]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@with_node
def test_run_page(tmp_path: Path) -> None:
    """The page shows every operation, opens the one its address names, and sends what was filled in, with the token and without cookies."""
    document = json.loads(build_documents(FAMILIES)[WHOLE])
    count = sum(len(item) for item in document["paths"].values())
    ran = run_page(tmp_path, document, "getApiMetricsIdSeries", "lmt_1")
    [sent] = ran.pop("sent")
    status = ran.pop("status")
    assert ran == {
        "state": f"{count} operations",
        "cards": count,
        "families": [family.name for family in FAMILIES.all if family.routes],
        "isOpen": True,
        "opened": True,
        "answer": '{\n  "said": "<b>hello</b>"\n}',
        "markup": 0,
    }
    assert status.startswith("200 OK in ")
    assert re.fullmatch("/api/metrics/[^/]+/series", sent["address"])
    assert (sent["method"], sent["headers"], sent["credentials"]) == ("GET", {"Authorization": "Bearer lmt_1"}, "omit")


@with_node
def test_send_body_and_key(tmp_path: Path) -> None:
    """A body starts from the first example; a key travels in the header of its scheme; a path value cannot leave its segment."""
    document = {
        "info": {"version": "1"},
        "tags": [{"name": "logs: keys"}],
        "components": {"schemas": {}, "securitySchemes": {"logs.key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}}},
        "paths": {
            "/v1/keys/{id}": {
                "put": {
                    "operationId": "putKey",
                    "summary": "Change",
                    "tags": ["logs: keys"],
                    "security": [{"logs.key": []}],
                    "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}, "example": "../a b"}],
                    "requestBody": {
                        "required": True,
                        "content": {"application/json": {"schema": {"type": "object"}, "examples": {"one": {"value": {"name": "a"}}}}},
                    },
                    "responses": {"200": {"description": "Done."}},
                }
            }
        },
    }
    assert run_page(tmp_path, document, "putKey", "ll_1")["sent"] == [
        {
            "address": "/v1/keys/..%2Fa%20b",
            "method": "PUT",
            "headers": {"X-API-Key": "ll_1", "Content-Type": "application/json"},
            "body": '{\n  "name": "a"\n}',
            "credentials": "omit",
        }
    ]
