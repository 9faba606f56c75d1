"""Plants secrets at every door of a real deployment and looks for them everywhere afterwards.

A new kind of credential gets a door: a function that sends its secrets, right and wrong ones, and joins `DOORS`. A new place where
something is written or shown joins `PLACES`.
"""

import base64
import http.client
import json
import os
import secrets
import signal
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import grpc
import psutil
import pytest

from lumetry.access.v1 import access_service_pb2, access_service_pb2_grpc
from lumetry.collectors.v1 import collector_service_pb2, collector_service_pb2_grpc
from lumetry.metrics.v1 import ingestion_service_pb2, ingestion_service_pb2_grpc
from lumetry_core.access.model import KIND_OF
from tests.process.conftest import Deployment, wait_until

HEX_LENGTH = 48
PREFIXES = sorted({*KIND_OF, "lmt_", "lmtc_", "lmte_", "lmts_", "lmta_", "lmtae_", "lmtw_", "ll_", "alm_live_", "alm_test_"})
"""What the secrets of all kinds start with, those to come included."""
INSTALLATION = "d97e2b99-81bd-43aa-823d-dc5f78cd5429"


@dataclass
class Visit:
    """What was said to a deployment, and what it answered."""

    deployment: Deployment
    password: str
    planted: dict[str, str] = field(default_factory=dict)
    """Where each secret was planted. None of them may turn up anywhere."""
    told: dict[str, str] = field(default_factory=dict)
    """Secrets within what people write, which is kept and shown as written, but neither logged nor audited."""
    answers: list[str] = field(default_factory=list)
    """Every answer whole, but for those that hand a secret out."""
    streamed: bytearray = field(default_factory=bytearray)
    """What the live feeds sent."""
    commands: list[str] = field(default_factory=list)
    """What commands printed, and the command lines of all processes."""

    def plant(self, where: str, secret: str | None = None) -> str:
        """A secret that must never be seen again; without a given one, one that nobody has."""
        made = secret or secrets.token_hex(HEX_LENGTH // 2)
        self.planted[made] = where
        return made

    def forge(self, where: str, prefix: str) -> str:
        """A secret of a kind that must never be seen again and that nobody has."""
        return self.plant(where, prefix + secrets.token_hex(HEX_LENGTH // 2))

    def tell(self, where: str) -> str:
        """A forged token for a text that people write."""
        made = "lmt_" + secrets.token_hex(HEX_LENGTH // 2)
        self.told[made] = where
        return made

    def send(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, *, hands_out: bool = False
    ) -> tuple[int, Any]:
        """Sends a request and keeps the answer; the status and the decoded body.

        Args:
            body: JSON unless it is bytes.
            headers: Besides the administrator's token, which `Authorization` replaces.
            hands_out: The answer hands a secret out, so it is not kept.
        """
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        with closing(http.client.HTTPConnection(self.deployment.addresses["http"], timeout=30)) as connection:
            given = {"Authorization": f"Bearer {self.deployment.token}", "Content-Type": "application/json", **(headers or {})}
            connection.request(method, path, data, given)
            response = connection.getresponse()
            content = response.read().decode()
        if not hands_out:
            self.answers.append(f"{response.status} {response.reason}\n{response.headers}\n{content}")
        try:
            return response.status, json.loads(content) if content else None
        except json.JSONDecodeError:
            return response.status, content

    def call(self, rpc: Callable[..., Any], request: Any, secret: str) -> None:
        """Calls an RPC that refuses the secret, and keeps its failure."""
        with pytest.raises(grpc.RpcError) as failure:
            rpc(request, metadata=(("authorization", f"Bearer {secret}"),), timeout=20)
        self.answers.append(f"{failure.value}\n{failure.value.trailing_metadata()}")


def log_in_wrongly(visit: Visit) -> None:
    """Wrong passwords, bodies that are no logins, and secrets where a name belongs."""
    wrong = visit.plant("a wrong password")
    for username in ("admin", "nobody"):
        assert visit.send("POST", "/api/auth/login", {"username": username, "password": wrong})[0] == 401
    bodies: list[Any] = [
        f'{{"username": "admin", "password": "{visit.plant("a broken body")}'.encode(),
        f'{{"username": "admin", "password": "{visit.plant("a body in another encoding")}\xff"}}'.encode("latin-1"),
        {"username": "admin", "password": [visit.plant("a password in an array")]},
        {"username": {"password": visit.plant("a password in an object")}, "password": 1},
        {"username": "admin", "passwort": visit.plant("a misspelled field")},
        [visit.plant("an array instead of an object")],
        {"username": "admin", "password": visit.plant("a password without end") * 30_000},
    ]
    assert [visit.send("POST", "/api/auth/login", body)[0] for body in bodies] == [400, 400, 400, 400, 400, 400, 413]
    for content_type in ("application/x-www-form-urlencoded", "text/plain"):
        form = f"username=admin&password={visit.plant('a form')}".encode()
        assert visit.send("POST", "/api/auth/login", form, {"Content-Type": content_type})[0] == 400
    for prefix in ("lmt_", "lmtc_"):
        name = visit.forge("a token as user name", prefix)
        assert visit.send("POST", "/api/auth/login", {"username": name, "password": "x"})[0] == 401
    assert visit.send("GET", f"/api/auth/login?password={visit.plant('a password in the address')}")[0] == 405
    with grpc.insecure_channel(visit.deployment.addresses["grpc"]) as channel:
        stub = access_service_pb2_grpc.AccessServiceStub(channel)
        request = access_service_pb2.LoginRequest(username="admin", password=visit.plant("a wrong password over gRPC"))
        visit.call(stub.Login, request, visit.plant("a Bearer that a public RPC ignores"))


def log_in(visit: Visit) -> None:
    """A whole login session: renewed, its used tokens tried again, ended, and tried after its end."""
    login = {"username": "admin", "password": visit.plant("the administrator's password", visit.password)}
    status, first = visit.send("POST", "/api/auth/login", login, hands_out=True)
    assert status == 200
    old = visit.plant("a used refresh token", first["refreshToken"])
    status, second = visit.send("POST", "/api/auth/refresh", {"refreshToken": old}, hands_out=True)
    assert status == 200
    access = {"Authorization": f"Bearer {visit.plant('an access token', second['accessToken'])}"}
    assert visit.send("GET", "/api/auth/me", headers=access)[0] == 200
    stranger = {"refreshToken": visit.plant("a refresh token of nobody")}
    assert visit.send("POST", "/api/auth/logout", stranger, access)[0] == 400
    assert visit.send("POST", "/api/auth/refresh", stranger)[0] == 401
    assert visit.send("POST", "/api/auth/refresh", {"refreshToken": old})[0] == 401  # its copy ends the session
    assert visit.send("GET", "/api/auth/me", headers=access)[0] == 401
    late = {"refreshToken": visit.plant("the refresh token of an ended session", second["refreshToken"])}
    assert visit.send("POST", "/api/auth/refresh", late)[0] == 401
    visit.plant("an access token that was renewed", first["accessToken"])


def show_bearers(visit: Visit) -> None:
    """Forged tokens of every kind, over HTTP and gRPC."""
    visit.plant("the administrator's token", visit.deployment.token)
    for prefix in PREFIXES:
        for path in ("/api/rules", "/v1/metrics", "/v1/collectors/heartbeat", "/api/no-such-route"):
            for method in ("GET", "POST"):
                bearer = {"Authorization": f"Bearer {visit.forge(f'a forged {prefix} token', prefix)}"}
                assert visit.send(method, path, {}, bearer)[0] in (401, 403, 404, 405)
    with grpc.insecure_channel(visit.deployment.addresses["grpc"]) as channel:
        identity = access_service_pb2_grpc.AccessServiceStub(channel)
        ingestion = ingestion_service_pb2_grpc.IngestionServiceStub(channel)
        for prefix in PREFIXES:
            forged = visit.forge(f"a forged {prefix} token over gRPC", prefix)
            visit.call(identity.GetMe, access_service_pb2.GetMeRequest(), forged)
            visit.call(ingestion.IngestMetrics, ingestion_service_pb2.IngestMetricsRequest(), forged)


def misplace_secrets(visit: Visit) -> None:
    """Secrets where clients are known to put them by mistake: other schemes, other headers, parameters and addresses."""
    password = visit.plant("basic authentication")
    basic = visit.plant("basic authentication, encoded", base64.b64encode(f"admin:{password}".encode()).decode())
    schemes = (f"Basic {basic}", f"Bearer  {visit.plant('two spaces')}", visit.plant("no scheme"), f"Bearer {visit.plant('long') * 100}")
    for value in schemes:
        assert visit.send("GET", "/api/rules", headers={"Authorization": value})[0] == 401
    for header in ("X-Api-Key", "Cookie", "X-Forwarded-For", "Referer", "User-Agent", "Accept-Language", "Last-Event-ID", "If-None-Match"):
        for path in ("/api/rules", "/api/auth/login"):
            headers = {"Authorization": "Bearer no", header: visit.forge(f"the header {header}", "lmt_")}
            assert visit.send("POST", path, {"username": "admin", "password": "x"}, headers)[0] in (401, 429)
    for name in ("token", "access_token", "api_key", "apiKey", "authorization", "page"):
        for path in ("/api/rules", "/api/no-such-route", "/metrics"):
            visit.send("GET", f"{path}?{name}={visit.plant(f'the parameter {name}')}")
    for path in ("/api/rules/{}", "/api/{}", "/v1/{}/x", "/{}", "/api/metrics/x/series?from={}"):
        assert visit.send("GET", path.format(visit.plant(f"the address {path}")))[0] in (400, 404)


def make_api_tokens(visit: Visit) -> None:
    """A token that a command makes, which is shown once, there."""
    token = visit.plant("a token by command", visit.deployment.command("token", "create", "--name", "canary"))
    headers = {"Authorization": f"Bearer {token}"}
    assert visit.send("GET", "/api/auth/me", headers=headers)[0] == 200
    assert visit.send("POST", "/api/auth/logout", {"refreshToken": token}, headers)[0] == 403


def make_keys(visit: Visit) -> None:
    """Log keys, workspace keys, API tokens and passwords, made over HTTP by a login and used in and out of place."""
    login = {"username": "admin", "password": visit.password}
    status, tokens = visit.send("POST", "/api/auth/login", login, hands_out=True)
    assert status == 200
    person = {"Authorization": f"Bearer {visit.plant('an access token of a login', tokens['accessToken'])}"}
    visit.plant("a refresh token of a login", tokens["refreshToken"])
    status, key = visit.send("POST", "/v1/log-keys", {"name": "canary", "project_id": "default"}, person, hands_out=True)
    assert status == 201, key
    log_key = visit.plant("a log key", key["key"])
    status, made = visit.send("POST", "/api/v1/api-keys", {"name": "canary", "scopes": ["logs:read"]}, person, hands_out=True)
    assert status == 201, made
    workspace_key = visit.plant("a workspace key", made["data"]["key"])
    status, token = visit.send("POST", "/api/api-tokens", {"name": "canary"}, person, hands_out=True)
    assert status == 201, token
    visit.plant("an API token", token["token"])
    for path in ("/v1/logs", "/api/v1/user", "/api/rules", "/api/v1/edition"):
        for secret in (log_key, workspace_key):
            visit.send("GET", path, headers={"Authorization": f"Bearer {secret}"})
    assert visit.send("GET", "/v1/logs", headers={"Authorization": "", "x-api-key": log_key})[0] == 200
    assert visit.send("POST", "/v1/logs", {"api_key": log_key, "logs": [{"level": log_key}]}, {"Authorization": ""})[0] == 400
    new = {"username": "canary-bird", "roles": ["Viewer"], "password": visit.plant("a new user's password")}
    assert visit.send("POST", "/api/users", new, person)[0] == 201
    change = {"currentPassword": visit.plant("a wrong current password"), "newPassword": visit.plant("a refused new password")}
    assert visit.send("POST", "/api/auth/password", change, person)[0] == 400
    assert visit.send("DELETE", f"/v1/log-keys/{key['id']}", headers=person)[0] == 204


def push_logs(visit: Visit) -> None:
    """Secrets in log entries, which are taken out before anything of them is written."""
    entry = {"timestamp": datetime.now(UTC).isoformat(), "level": "error"}
    jwt = f"eyJhbGciOiJIUzI1NiJ9.eyJ{secrets.token_hex(20)}.{secrets.token_hex(16)}"
    entries = [
        entry | {"message": f"calling with Bearer {visit.plant('a Bearer in a log message')}"},
        entry | {"message": f"password={visit.plant('a password in a log message')}"},
        entry | {"message": f"token {visit.plant('a JWT in a log message', jwt)}"},
        entry | {"message": visit.forge("a token in a log message", "lmt_")},
        entry | {"message": "m", "metadata": {"apiKey": visit.plant("a key in log metadata")}},
        entry | {"message": "m", "error": {"message": f"https://u:{visit.plant('a password in an address')}@example.com/"}},
        entry | {"message": "m", "error": {"stack_trace": [visit.forge("a key in a stack trace", "ll_")]}},
        entry | {"message": "m", "secret": visit.plant("a secret in a field that is not documented")},
    ]
    assert visit.send("POST", "/v1/logs", {"logs": entries})[0] == 200
    assert len(visit.send("GET", "/v1/logs")[1]["logs"]) == len(entries)


def enroll_collectors(visit: Visit) -> None:
    """A collector's enrollment token and credential, in and out of place, before and after use."""
    status, registered = visit.send("POST", "/api/collectors", {"name": "canary"}, hands_out=True)
    assert status == 201
    visit.plant("an enrollment token that is replaced", registered["enrollmentToken"])
    path = f"/api/collectors/{registered['id']}"
    status, renewed = visit.send("POST", f"{path}/enrollment-token", hands_out=True)
    assert status == 200
    token = visit.plant("an enrollment token", renewed["enrollmentToken"])
    enrolling = {"Authorization": f"Bearer {token}"}
    body = {"installationId": INSTALLATION, "hostname": "h", "version": "1", "capabilities": []}
    assert visit.send("GET", "/api/rules", headers=enrolling)[0] == 403
    assert visit.send("POST", "/v1/collectors/enroll", body | {"installationId": visit.plant("an installation id")}, enrolling)[0] == 400
    status, enrolled = visit.send("POST", "/v1/collectors/enroll", body, enrolling, hands_out=True)
    assert status == 201
    credential = visit.plant("a collector's credential", enrolled["credential"])
    other = body | {"installationId": INSTALLATION.replace("d", "e")}
    assert visit.send("POST", "/v1/collectors/enroll", other, enrolling)[0] == 401
    own = {"Authorization": f"Bearer {credential}"}
    beat = {"instanceId": INSTALLATION, "version": "1", "queueDepth": visit.plant("a field of a heartbeat"), "credential": credential}
    assert visit.send("POST", "/v1/collectors/heartbeat", beat, own)[0] == 400
    refused = {"secret": credential, "relay": {"port": visit.plant("a field of a configuration")}}
    assert visit.send("PUT", f"{path}/config", refused)[0] == 400
    status, rotated = visit.send("POST", "/v1/collectors/credentials/rotate", headers=own, hands_out=True)
    assert status == 200
    fresh = {"Authorization": f"Bearer {visit.plant('a rotated credential', rotated['credential'])}"}
    assert visit.send("GET", "/v1/collectors/config", headers=fresh)[0] == 200
    assert visit.send("GET", "/v1/collectors/config", headers=own)[0] == 401
    assert visit.send("GET", "/api/rules", headers=fresh)[0] == 403
    with grpc.insecure_channel(visit.deployment.addresses["grpc"]) as channel:
        stub = collector_service_pb2_grpc.CollectorServiceStub(channel)
        visit.call(stub.SendHeartbeat, collector_service_pb2.SendHeartbeatRequest(instance_id=INSTALLATION), token)
        visit.call(stub.ListCollectors, collector_service_pb2.ListCollectorsRequest(), credential)


def enroll_agents(visit: Visit) -> None:
    """A host agent's enrollment token and credential, in and out of place, before and after use."""
    status, profile = visit.send("POST", "/api/agents/enrollment-profiles", {"name": "canary"}, hands_out=True)
    assert status == 201
    token = visit.plant("an agent enrollment token", profile["enrollmentToken"])
    enrolling = {"Authorization": f"Bearer {token}"}
    body = {"installationId": INSTALLATION, "hostId": "h", "hostname": "h", "os": "linux"}
    assert visit.send("GET", "/api/agents", headers=enrolling)[0] == 403
    assert visit.send("POST", "/v1/agents/enroll", body | {"os": visit.plant("an operating system")}, enrolling)[0] == 400
    status, first = visit.send("POST", "/v1/agents/enroll", body, enrolling, hands_out=True)
    assert status == 201
    old = visit.plant("an agent's credential that was replaced", first["credential"])
    status, enrolled = visit.send("POST", "/v1/agents/enroll", body, enrolling, hands_out=True)
    assert status == 201
    credential = visit.plant("an agent's credential", enrolled["credential"])
    assert visit.send("POST", "/v1/agents/heartbeat", {"sentAt": old}, {"Authorization": f"Bearer {old}"})[0] == 401
    own = {"Authorization": f"Bearer {credential}"}
    assert visit.send("POST", "/v1/agents/heartbeat", {"sentAt": credential, "version": token}, own)[0] == 400
    assert visit.send("GET", "/api/agents", headers=own)[0] == 403
    assert visit.send("POST", f"/api/agents/{enrolled['agentId']}/revoke")[0] == 200
    assert visit.send("POST", "/v1/agents/enroll", body, enrolling)[0] == 401
    forged = visit.forge("a forged agent credential", "lmta_")
    assert visit.send("POST", "/v1/agents/heartbeat", headers={"Authorization": f"Bearer {forged}"})[0] == 401


def connect_sources(visit: Visit) -> None:
    """The credential of an external alert source, in and out of place, before and after rotation, beside bodies that are refused."""
    body = {"name": "canary", "providerType": "GENERIC"}
    status, made = visit.send("POST", "/api/external-alert-sources", body, hands_out=True)
    assert status == 201
    source, path = made["source"]["id"], made["webhookPath"]
    own = {"Authorization": f"Bearer {visit.plant('a credential of a source', made['credential'])}"}
    assert visit.send("GET", "/api/rules", headers=own)[0] == 403
    assert visit.send("POST", "/v1/alert-sources/source-0/events", {}, own)[0] == 401
    assert visit.send("POST", path, {"state": visit.plant("a field of an event"), "title": [visit.plant("a title")]}, own)[0] == 400
    assert visit.send("POST", path, f'{{"title": "{visit.plant("a broken body of a source")}'.encode(), own)[0] == 400
    status, rotated = visit.send("POST", f"/api/external-alert-sources/{source}/credentials/rotate", hands_out=True)
    assert status == 200
    assert visit.send("POST", path, {}, own)[0] == 401
    own = {"Authorization": f"Bearer {visit.plant('a rotated credential', rotated['credential'])}"}
    assert visit.send("POST", path, {"credential": rotated["credential"]}, own)[0] == 400
    for prefix in PREFIXES:
        forged = {"Authorization": f"Bearer {visit.forge(f'a forged {prefix} token at a webhook', prefix)}"}
        assert visit.send("POST", path, {}, forged)[0] == 401


def write_texts(visit: Visit) -> None:
    """Tokens in what people write: kept for people, masked in the audit log, and refused values are not logged."""

    def point(value: float) -> dict[str, Any]:
        return {"metricName": "shop.latency", "timestamp": datetime.now(UTC).isoformat(), "value": value, "labels": {"host.id": "web-1"}}

    assert visit.send("POST", "/v1/metrics", {"metrics": [point(1)]})[0] == 202
    rule = {
        "name": f"Slow {visit.tell('the name of a rule')}",
        "description": f"curl -H 'Authorization: Bearer {visit.tell('the description of a rule')}'",
        "metricId": "shop.latency",
        "type": "Static",
        "direction": "Above",
        "staticUpper": 500,
        "alertLevels": [{"severity": "Critical", "triggerCount": 1, "triggerWindowMinutes": 5}],
    }
    status, created = visit.send("POST", "/api/rules", rule, hands_out=True)
    assert status == 201, created
    refused = {"type": visit.plant("a word that is none"), "staticUpper": visit.plant("text for a number"), "token": visit.plant("more")}
    assert visit.send("POST", "/api/rules", rule | refused)[0] == 400
    changed = rule | {"description": visit.tell("a new description")}
    assert visit.send("PUT", f"/api/rules/{created['id']}", changed, hands_out=True)[0] == 200
    assert visit.send("POST", "/v1/metrics", {"metrics": [point(900)]})[0] == 202
    alerts = wait_until(lambda: visit.send("GET", "/api/alerts", hands_out=True)[1], 10, visit.deployment.describe)
    note = {"note": f"Bearer {visit.tell('a note')}"}
    assert visit.send("POST", f"/api/alerts/{alerts[0]['id']}/close", note, hands_out=True)[0] == 200
    assert visit.send("POST", "/v1/metrics", f'{{"metrics": [{{"metricName": "{visit.plant("a broken batch")}"'.encode())[0] == 400


def make_integrations(visit: Visit) -> None:
    """Secrets and header values of notification targets: stored, kept, sent in vain, refused and taken away."""
    path = "/api/alerting/integrations"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nowhere = f"http://127.0.0.1:{taken.getsockname()[1]}"
    targets: list[dict[str, Any]] = [
        {"type": "Webhook", "secret": visit.plant("a signing key"), "headers": {"X-Key": visit.plant("the value of a header")}},
        {"type": "PagerDuty", "secret": visit.plant("a routing key")},
        {"type": "ServiceNow", "secret": visit.plant("a password"), "config": {"userName": "canary"}},
    ]
    for target in targets:
        body = {"name": "canary", "endpointUrl": nowhere} | target
        status, made = visit.send("POST", path, body)
        assert status == 201, made
        assert visit.send("POST", f"{path}/{made['id']}/test")[1]["success"] is False
        kept = {name: value for name, value in body.items() if name != "secret"} | {"headers": made["headers"]}
        assert visit.send("PUT", f"{path}/{made['id']}", kept)[0] == 200
        assert visit.send("PUT", f"{path}/{made['id']}", body | {"secret": visit.plant("another secret")})[0] == 200
        wrong = {"secret": visit.plant("a secret that is refused") + "\0", "headers": {"Host": visit.plant("a refused header")}}
        assert visit.send("PUT", f"{path}/{made['id']}", body | wrong)[0] == 400
        misplaced = {"config": {"userName": "canary", "password": visit.plant("a secret in the settings")}}
        assert visit.send("POST", path, body | misplaced)[0] == 400
        address = f"http://canary:{visit.plant('a password in an address')}@127.0.0.1/"
        assert visit.send("POST", path, body | {"endpointUrl": address})[0] == 400
        assert visit.send("POST", path, body | {"secret": [visit.plant("a secret in an array")]})[0] == 400
    assert visit.send("DELETE", f"{path}/{made['id']}")[0] == 204


def poll_metric_sources(visit: Visit) -> None:
    """Passwords and tokens of metric sources: stored, kept, sent in vain, sealed for a collector's test, refused and taken away."""
    path = "/api/metric-sources"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    nowhere = f"http://127.0.0.1:{port}"
    database = {"host": "127.0.0.1", "port": port, "database": "canary", "username": "canary"}
    status, collector = visit.send("POST", "/api/collectors", {"name": "canary of sources"}, hands_out=True)
    assert status == 201, collector
    for kind, config in (
        ("prometheus", {"baseUrl": nowhere}),
        ("http", {"baseUrl": nowhere, "username": "canary"}),
        ("postgres", database),
        ("mysql", database),
    ):
        body = {"name": f"canary {kind}", "type": kind, "config": config, "items": [{"metricKey": "canary.polled", "query": "$.up"}]}
        status, made = visit.send("POST", path, body | {"secret": visit.plant("a source's secret")})
        assert status == 201, made
        assert visit.send("PUT", f"{path}/{made['id']}", body)[1]["hasSecret"] is True
        assert visit.send("POST", f"{path}/{made['id']}/test")[1]["status"] == "Failed"
        assert visit.send("POST", f"{path}/test", body | {"secret": visit.plant("a candidate's secret")})[1]["status"] == "Failed"
        queued = body | {"secret": visit.plant("a secret for a collector"), "collectorId": collector["id"]}
        assert visit.send("POST", f"{path}/test", queued)[0] == 202
        failed = f"{path}/{made['id']}"
        wait_until(lambda failed=failed: visit.send("GET", failed)[1]["lastStatus"] == "Failed", 20, visit.deployment.describe)
        assert visit.send("POST", path, body | {"name": "new", "secret": [visit.plant("a secret in an array")]})[0] == 400
        assert visit.send("POST", path, body | {"name": "new", "secret": visit.plant("a refused secret") + "x" * 5000})[0] == 400
    address = f"http://canary:{visit.plant('a password in the address of a source')}@127.0.0.1/"
    assert visit.send("POST", path, body | {"name": "new", "type": "thanos", "config": {"baseUrl": address}})[0] == 400
    assert visit.send("DELETE", f"{path}/{made['id']}")[0] == 204


def deliver_by_collector(visit: Visit) -> None:
    """Headers, signing key and tokens of what a collector is to deliver: handed out once, used wrongly, late and in wrong places."""
    status, registered = visit.send("POST", "/api/collectors", {"name": "canary of notifications"}, hands_out=True)
    assert status == 201
    assert visit.send("PUT", f"/api/collectors/{registered['id']}/config", {"notifications": {"enabled": True}})[0] == 200
    enrolling = {"Authorization": f"Bearer {visit.plant('an enrollment token', registered['enrollmentToken'])}"}
    body = {"installationId": INSTALLATION.replace("d", "c"), "hostname": "h", "version": "1", "capabilities": ["notification"]}
    status, enrolled = visit.send("POST", "/v1/collectors/enroll", body, enrolling, hands_out=True)
    assert status == 201
    own = {"Authorization": f"Bearer {visit.plant('a credential of a collector that delivers', enrolled['credential'])}"}
    now = datetime.now(UTC).isoformat()
    beat = {"instanceId": INSTALLATION, "version": "1", "sentAt": now, "capabilities": ["notification"]}
    assert visit.send("POST", "/v1/collectors/heartbeat", beat, own)[0] == 200
    target = {"name": "canary inside", "type": "Webhook", "endpointUrl": "http://10.0.0.8/hook", "collectorId": registered["id"]}
    headers = {"X-Key": visit.plant("a header for a collector")}
    sealed = {"secret": visit.plant("a signing key of a collector's webhook"), "headers": headers}
    status, made = visit.send("POST", "/api/alerting/integrations", target | sealed)
    assert status == 201, made
    path = f"/api/alerting/integrations/{made['id']}"
    testing = threading.Thread(target=lambda: visit.send("POST", f"{path}/test"))
    testing.start()
    claim = {"capabilities": ["notification"], "max": 1}
    [item] = wait_until(lambda: visit.send("POST", "/v1/collectors/claims", claim, own, hands_out=True)[1]["items"], 15)
    assert item["payload"]["headers"]["X-Key"] in visit.planted
    token = visit.plant("a claim's token", item["claimToken"])
    visit.plant("a signature", item["payload"]["headers"]["X-Lumetry-Signature"].removeprefix("sha256="))
    complete = f"/v1/collectors/claims/{item['claimId']}/complete"
    done = {"claimToken": token, "status": "failed", "error": "no route", "result": {"durationMs": 1}}
    forged = visit.forge("a forged claim's token", "lmtw_")
    assert visit.send("POST", complete, done | {"claimToken": forged}, own)[0] == 400
    assert visit.send("POST", complete, done | {"status": token}, own)[0] == 400
    assert visit.send("POST", complete, done, {"Authorization": f"Bearer {token}"})[0] == 401
    assert visit.send("POST", f"/v1/collectors/claims/{token}/complete", done, own)[0] == 404
    assert visit.send("POST", complete, done, own)[0] == 204
    assert visit.send("POST", complete, done, own)[0] == 400
    testing.join()
    assert visit.send("PUT", path, target | {"headers": {"X-Key": "•••"}})[1]["hasSecret"] is True
    assert visit.send("POST", f"/api/collectors/{registered['id']}/revoke")[0] == 200
    assert visit.send("POST", "/v1/collectors/claims", claim, own)[0] == 401
    assert visit.send("POST", f"{path}/test")[1]["error"] == "Collector canary of notifications is revoked."
    assert visit.send("DELETE", path)[0] == 204


def watch_from_outside(visit: Visit) -> None:
    """Secrets of channels, webhooks, endpoints and pings: stored, kept, sent in vain, refused and taken away."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nowhere = f"http://127.0.0.1:{taken.getsockname()[1]}"
    make_channels(visit, nowhere)
    path = "/api/v1/webhooks"
    hook = {"name": "canary", "url": nowhere, "event_types": ["alert.fired"]}
    status, made = visit.send("POST", path, hook | {"secret": visit.plant("a webhook's secret")})
    assert status == 201, made
    assert visit.send("POST", f"{path}/{made['id']}/test")[1]["status"] == "failed"
    assert visit.send("PUT", f"{path}/{made['id']}", {"secret": visit.plant("a webhook's next secret")})[0] == 200
    assert visit.send("PUT", f"{path}/{made['id']}", {"secret": [visit.plant("a webhook's secret in an array")]})[0] == 400
    status, generated = visit.send("POST", path, hook | {"name": "generated"}, hands_out=True)
    assert status == 201, generated
    visit.plant("a generated secret", generated["secret"])
    for kept in (path, f"{path}/{made['id']}", f"{path}/{generated['id']}"):
        assert visit.send("GET", kept)[0] == 200

    path = "/api/v1/endpoints"
    sealed = {"Authorization": f"Bearer {visit.plant('a header of a check')}", "X-Api-Key": visit.plant("a key of a check")}
    status, made = visit.send("POST", path, {"name": "canary", "target": nowhere, "interval": 5, "timeout": 1, "headers": sealed})
    assert status == 201, made
    kept = f"{path}/{made['endpoint']['id']}"
    wait_until(lambda: visit.send("GET", kept)[1]["endpoint"]["status"] == "down", 20, visit.deployment.describe)
    again = {"headers": {**made["endpoint"]["config"]["headers"], "Cookie": visit.plant("a cookie of a check")}}
    assert visit.send("PUT", kept, again)[0] == 200
    assert visit.send("PUT", kept, {"headers": {"X-Token": visit.plant("a header that is refused") + "\r\n"}})[0] == 400
    assert visit.send("GET", f"{kept}/checks")[0] == 200

    status, job = visit.send("POST", "/api/v1/heartbeats", {"name": "canary", "interval_seconds": 3600})
    assert status == 201
    payload = f"password={visit.plant('a password in the output of a job')}\nBearer {visit.plant('a Bearer in the output of a job')}"
    assert visit.send("POST", f"/ping/{job['uuid']}/1", payload.encode(), {"Content-Type": "text/plain"})[0] == 200
    assert visit.send("GET", f"/api/v1/heartbeats/{job['id']}/executions")[1]["total"] == 1


def make_channels(visit: Visit, nowhere: str) -> None:
    """Channels of every type that has a secret, and the mail server's password, which is asked for in vain."""
    path = "/api/v1/channels"
    headers = json.dumps({"X-Canary": visit.plant("the value of a channel's header")})
    channels: list[dict[str, Any]] = [
        {"name": "hook", "type": "webhook", "url": nowhere, "secret": visit.plant("a channel's signing secret"), "headers": headers},
        {"name": "ntfy", "type": "ntfy", "url": f"{nowhere}/topic", "secret": visit.plant("an access token of ntfy")},
        {"name": "gotify", "type": "gotify", "url": nowhere, "secret": visit.plant("an application token of gotify")},
        {"name": "bot", "type": "telegram", "url": nowhere, "secret": visit.plant("a bot token"), "config": {"chat_id": "1"}},
        {"name": "pages", "type": "pagerduty", "url": nowhere, "secret": visit.plant("a channel's routing key")},
        {"name": "mail", "type": "email", "url": "canary@example.com"},
    ]
    for channel in channels:
        status, made = visit.send("POST", path, channel)
        assert status == 201, made
        assert visit.send("POST", f"{path}/{made['id']}/test")[1]["status"] == "failed"
        kept = {"name": channel["name"], "headers": made["headers"]}
        assert visit.send("PUT", f"{path}/{made['id']}", kept)[0] == 200
        assert visit.send("GET", f"{path}/{made['id']}/deliveries")[0] == 200
        if "secret" in channel:
            assert visit.send("PUT", f"{path}/{made['id']}", {"secret": visit.plant("a channel's next secret")})[0] == 200
        assert visit.send("PUT", f"{path}/{made['id']}", {"secret": {"x": visit.plant("a secret in an object")}})[0] == 400
        misplaced = {
            "headers": visit.plant("a text that is no JSON"),
            "config": {"token": visit.plant("a secret in the settings of a channel")},
        }
        assert visit.send("PUT", f"{path}/{made['id']}", misplaced)[0] == 400
    assert visit.send("GET", path)[0] == 200
    assert visit.send("DELETE", f"{path}/{made['id']}")[0] == 204


def crash(visit: Visit) -> None:
    """Secrets that are under way while the core dies."""
    os.kill(visit.deployment.children()["core"], signal.SIGKILL)
    wrong = {"username": "somebody", "password": visit.plant("a password during a crash")}
    forged = {"Authorization": f"Bearer {visit.forge('a token during a crash', 'lmt_')}"}
    visit.send("POST", "/api/auth/login", wrong)
    wait_until(lambda: visit.send("GET", "/api/rules", headers=forged)[0] == 401, 60, visit.deployment.describe)
    assert visit.send("POST", "/api/auth/login", wrong)[0] == 401


DOORS = (
    log_in_wrongly,
    log_in,
    show_bearers,
    misplace_secrets,
    make_api_tokens,
    make_keys,
    push_logs,
    enroll_collectors,
    enroll_agents,
    connect_sources,
    write_texts,
    make_integrations,
    poll_metric_sources,
    deliver_by_collector,
    watch_from_outside,
    crash,
)
"""What is done to the deployment, in order."""


def read_files(visit: Visit) -> bytes:
    """Everything below the data directory, but for the server's log."""
    return b"\n".join(path.read_bytes() for path in files_of(visit) if path.name != "server.log")


def files_of(visit: Visit) -> Iterator[Path]:
    """The files of the data directory."""
    return (path for path in sorted(visit.deployment.data_dir.rglob("*")) if path.is_file())


def read_rows(visit: Visit) -> bytes:
    """Every value of every row of the database, texts that span pages included."""
    [path] = [path for path in files_of(visit) if path.suffix == ".db"]
    found = bytearray()
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                for value in row:
                    found += (value if isinstance(value, bytes) else str(value).encode()) + b"\n"
    return bytes(found)


def read_backup(visit: Visit) -> bytes:
    """A backup made while the server runs."""
    target = visit.deployment.data_dir.parent / "backup.db"
    target.unlink(missing_ok=True)
    visit.commands.append(visit.deployment.command("backup", str(target)))
    return target.read_bytes()


def read_audit(visit: Visit) -> bytes:
    """The audit log and the histories, through the API."""
    pages = []
    number, more = 1, True
    while more:
        status, page = visit.send("GET", f"/api/audit-logs?pageSize=200&page={number}")
        assert status == 200
        pages.append(page["items"])
        number, more = number + 1, page["hasNextPage"]
    rows = [row for items in pages for row in items]
    for entity in sorted({(row["entityType"], row["entityId"]) for row in rows}):
        status, history = visit.send("GET", f"/api/revisions/{entity[0]}/{quote(entity[1], safe='')}?pageSize=200")
        if status == 200:
            rows += history["items"]
    assert {row["action"] for row in rows if "action" in row} >= {"Auth.LoginFailed", "Rule.Updated", "Alert.Closed", "Collector.Enrolled"}
    return json.dumps(rows, ensure_ascii=False).encode()


def read_pages(visit: Visit) -> bytes:
    """What is shown to everybody, and the lists that tell of credentials."""
    paths = (
        "/metrics",
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/api/collectors",
        "/api/auth/me",
        "/status",
        "/status/api",
        "/api/v1/alerts",
    )
    return "\n".join(json.dumps(visit.send("GET", path)) for path in paths).encode()


def read_processes(visit: Visit) -> bytes:
    """The command lines of all processes, and what commands print of the configuration."""
    assert visit.deployment.process is not None
    server = psutil.Process(visit.deployment.process.pid)
    lines = [" ".join(process.cmdline()) for process in (server, *server.children(recursive=True))]
    return "\n".join([*lines, *visit.commands, visit.deployment.command("check-config")]).encode()


PLACES: Mapping[str, Callable[[Visit], bytes]] = {
    "log": lambda visit: (visit.deployment.data_dir / "server.log").read_bytes(),
    "answers": lambda visit: "\n".join(visit.answers).encode(),
    "live feed": lambda visit: bytes(visit.streamed),
    "audit log": read_audit,
    "pages": read_pages,
    "processes": read_processes,
    "rows": read_rows,
    "files": read_files,
    "backup": read_backup,
}
"""Where secrets are looked for."""
KEPT_AS_WRITTEN = ("live feed", "rows", "files", "backup")
"""Where what people write stands as they wrote it."""


FEEDS = ("/api/stream", "/api/v1/containers/events", "/status/events")


def follow(visit: Visit, feed: str) -> None:
    """Reads a live feed until the server ends it."""
    with closing(http.client.HTTPConnection(visit.deployment.addresses["http"])) as connection, suppress(OSError):
        connection.request("GET", feed, headers={"Authorization": f"Bearer {visit.deployment.token}"})
        response = connection.getresponse()
        while piece := response.read1():
            visit.streamed += piece


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    """A deployment after all doors were tried, its log as talkative as it gets."""
    password = secrets.token_hex(HEX_LENGTH // 2)
    environ = {"LUMETRY_ADMIN_PASSWORD": password, "LUMETRY_RATE_LOGIN_PER_MINUTE": "1000", "LUMETRY_LOG_LEVEL": "DEBUG"}
    environ["LUMETRY_ALLOW_PRIVATE_WEBHOOKS"] = "true"
    fallback = secrets.token_hex(HEX_LENGTH // 2)
    target = {"type": "PagerDuty", "endpointUrl": "http://127.0.0.1:9/", "secret": fallback}
    environ["LUMETRY_ALERTING_FALLBACK_TARGET"] = json.dumps(target)
    mail_password = secrets.token_hex(HEX_LENGTH // 2)
    environ |= {"LUMETRY_SMTP_HOST": "127.0.0.1", "LUMETRY_SMTP_PORT": "9", "LUMETRY_SMTP_USERNAME": "canary"}
    environ["LUMETRY_SMTP_PASSWORD"] = mail_password
    deployment = Deployment(tmp_path_factory.mktemp("canary") / "data", environ=environ)
    deployment.start()
    made = Visit(deployment, password)
    made.plant("the mail server's password", mail_password)
    made.plant("the fallback target's secret", fallback)
    followers = [threading.Thread(target=follow, args=(made, feed), daemon=True) for feed in FEEDS]
    for follower in followers:
        follower.start()
    try:
        for door in DOORS:
            door(made)
        yield made
    finally:
        deployment.stop()
        for follower in followers:
            follower.join(30)


def traces(secret: str) -> Iterator[bytes]:
    """How a secret may be written: as it is, in capitals, as its random bytes, and encoded as basic authentication does it."""
    yield secret.encode()
    yield secret.upper().encode()
    digits = secret[-HEX_LENGTH:]
    if len(digits) == HEX_LENGTH and not set(digits) - set("0123456789abcdef"):
        yield digits.encode()
        yield bytes.fromhex(digits)
    yield base64.b64encode(secret.encode()).rstrip(b"=")


@pytest.mark.parametrize("place", PLACES)
def test_no_secret_is_found_in(visit: Visit, place: str) -> None:
    """What was planted is not there; what people wrote is only where their texts are kept."""
    content = PLACES[place](visit)
    assert content
    sought = visit.planted if place in KEPT_AS_WRITTEN else visit.planted | visit.told
    found = sorted({where for secret, where in sought.items() if any(trace in content for trace in traces(secret))})
    assert found == []


def test_the_search_finds_what_is_there(visit: Visit) -> None:
    """Texts that are kept as written are found where they are kept, so the search above looks at the right places."""
    for place in ("rows", "files", "backup"):
        content = PLACES[place](visit)
        assert any(trace in content for secret, where in visit.told.items() if where == "a new description" for trace in traces(secret))
    assert b"alert.opened" in visit.streamed
    assert b"alert.fired" in visit.streamed
    assert "•••".encode() in PLACES["audit log"](visit)
    assert len(visit.answers) > 100
