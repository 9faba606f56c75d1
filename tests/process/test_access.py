"""Who may call what, and who sees what, on a real deployment: generated from what the protos and the route rows state."""

import asyncio
import http.client
import itertools
import json
import os
import re
import sqlite3
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import msgspec
import pytest
from google.rpc import error_details_pb2, status_pb2

from gateway.app import build_families
from gateway.config import Config as GatewayConfig
from gateway.transcode.families import Family
from gateway.transcode.routes import PLACEHOLDER, Route
from lumetry.access.v1 import access_service_pb2, access_service_pb2_grpc, permission_pb2
from lumetry.collectors.v1 import collector_service_pb2, collector_service_pb2_grpc
from lumetry.hostagents.v1 import (
    host_agent_channel_service_pb2,
    host_agent_channel_service_pb2_grpc,
    host_agent_service_pb2,
    host_agent_service_pb2_grpc,
)
from lumetry_core.access.keys import LOG_KEY_PERMISSIONS, SCOPES, LogKeyAccess, expand_scopes
from lumetry_core.access.model import BUILT_IN_ROLES
from lumetry_core.access.service.log_keys import create_log_key
from lumetry_core.access.service.source_credentials import rotate_source_credential
from lumetry_core.access.service.tokens import create_api_token
from lumetry_core.access.service.users import find_user_by_name
from lumetry_core.access.service.workspace_keys import create_workspace_key as create_workspace_key_of
from lumetry_core.access.vault import Vault
from lumetry_core.administration import create_organization, create_token, create_user, create_workspace_key, open_deployment
from lumetry_core.config import Config
from lumetry_core.containers.engine import Inspected
from lumetry_core.containers.service.observing import reconcile
from lumetry_core.containers.service.reading import list_containers
from lumetry_core.endpoints.sealing import Rules
from lumetry_core.incidents.candidates import reopened_incident
from lumetry_core.incidents.service.candidates import list_candidates
from lumetry_core.incidents.service.reading import get_incident
from lumetry_core.incidents.store.candidates import upsert_occurrences
from lumetry_core.metricsources.model import SourceTest, SourceTestStatus
from lumetry_core.metricsources.service.testing import end_test
from lumetry_core.projects.service import default_project
from lumetry_core.resources.model import Latest, Sample
from lumetry_core.resources.service.recording import record_round
from lumetry_core.runtime.addresses import PRIVATE_TOO
from lumetry_core.runtime.caller import CredentialKind, Permission, system_caller
from lumetry_core.runtime.clock import SystemClock
from lumetry_core.runtime.interceptors import JUDGED_BY_PERMISSION, Access, read_access
from lumetry_core.updates.model import Finding, UpdateType
from lumetry_core.updates.model import Outcome as CheckOutcome
from lumetry_core.updates.service.findings import record_outcome
from lumetry_core.updates.service.scans import complete_scan, open_scan, take_scan
from lumetry_core.updates.service.targets import list_targets
from tests.conftest import run_on_server
from tests.process.conftest import Deployment, wait_until
from tests.test_architecture import METHODS

PASSWORD = "correct horse battery"
ON_POSTGRESQL = os.environ.get("LUMETRY_TEST_ACCESS_ON") == "postgresql"
"""The rules are the same on both databases, and the areas' own suites run on both; the whole matrix does where it is asked to."""
STREAM_SECONDS = 3.0
"""A stream that is not refused within so long was admitted."""
NON_INTERACTIVE = (CredentialKind.API_TOKEN, CredentialKind.WORKSPACE_KEY)
UNLIMITED = {
    "DISABLE_RATE_LIMIT": "1",
    "LUMETRY_ENV": "test",
    "LUMETRY_RATE_INGEST_PER_SECOND": "1000000",
    "LUMETRY_RATE_OTHER_PER_SECOND": "1000000",
    "LUMETRY_RATE_ORGANIZATION_FACTOR": "1000",
    "LUMETRY_LOGS_KEY_RPM": "0",
    "LUMETRY_LOGS_ORG_RPM": "0",
    "LUMETRY_RUNTIME": "none",
}
"""The matrix is about rights, not rates, and not about what runs on this host."""
FAMILIES = build_families(GatewayConfig()).all
ROUTES = [(family, route) for family in FAMILIES for route in family.routes]
Outcome = tuple[str, str] | None
"""Code and reason of a refusal; None: admitted, whatever became of the call."""


@dataclass(frozen=True)
class Credential:
    """A secret and what it carries. `kind` is None for none that works."""

    name: str
    secret: str | None
    kind: CredentialKind | None = None
    permissions: frozenset[Permission] = frozenset()
    scopes: frozenset[str] | None = None
    """What a workspace key is narrowed to; None: nothing."""
    stepped_up: bool = False

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return () if self.secret is None else (("authorization", f"Bearer {self.secret}"),)


def expected(access: Access, credential: Credential) -> Outcome:
    """What the method option of an RPC means for a credential."""
    if access.public:
        return None
    if credential.kind is None:
        return "UNAUTHENTICATED", "UNAUTHENTICATED"
    if credential.kind not in access.credentials:
        interactive = access.credentials == {CredentialKind.INTERACTIVE} and credential.kind in NON_INTERACTIVE
        return "PERMISSION_DENIED", "INTERACTIVE_ONLY" if interactive else "PERMISSION_DENIED"
    if credential.scopes is not None and access.scope not in credential.scopes:
        return "PERMISSION_DENIED", "PERMISSION_DENIED"
    if credential.kind in JUDGED_BY_PERMISSION and access.any_of and not access.any_of & credential.permissions:
        return "PERMISSION_DENIED", "PERMISSION_DENIED"
    if access.step_up and not credential.stepped_up:
        return "PERMISSION_DENIED", "STEP_UP_REQUIRED"
    return None


@dataclass
class World:
    """A deployment and one credential of every sort."""

    deployment: Deployment
    channel: grpc.Channel
    credentials: list[Credential]

    def log_in(self, role: str) -> Credential:
        """A fresh login of the user with a role."""
        stub = access_service_pb2_grpc.AccessServiceStub(self.channel)
        tokens = stub.Login(access_service_pb2.LoginRequest(username=f"user-{role.lower()}", password=PASSWORD), timeout=20).tokens
        return Credential(f"login as {role}", tokens.access_token, CredentialKind.INTERACTIVE, BUILT_IN_ROLES[role], stepped_up=True)

    def log_in_long_ago(self) -> Credential:
        """An administrator's login of an hour ago, renewed since."""
        fresh = self.log_in("Admin")
        change = "UPDATE login_sessions SET create_time = create_time - 3600000 WHERE id = (SELECT max(id) FROM login_sessions)"
        url = self.deployment.environ.get("LUMETRY_DATABASE_URL")
        if url:
            asyncio.run(run_on_server(url, change))
        else:
            with sqlite3.connect(self.deployment.data_dir / "lumetry.db", timeout=30) as connection:
                connection.execute(change)
        return replace(fresh, name="old login", stepped_up=False)

    def for_method(self, name: str) -> list[Credential]:
        """The credentials; a method that ends logins gets logins of its own."""
        if name != "Logout":
            return self.credentials
        return [
            each
            if each.kind is not CredentialKind.INTERACTIVE
            else self.log_in(each.name.removeprefix("login as "))
            if each.stepped_up
            else self.log_in_long_ago()
            for each in self.credentials
        ]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Deployment]:
    environ = dict(UNLIMITED)
    if ON_POSTGRESQL:
        server = request.getfixturevalue("postgres_server")
        asyncio.run(run_on_server(server, "CREATE DATABASE access"))
        environ["LUMETRY_DATABASE_URL"] = server.replace("/postgres?", "/access?")
    running = Deployment(tmp_path_factory.mktemp("access") / "data", environ=environ)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def config(started: Deployment) -> Config:
    return Config(
        data_dir=started.data_dir, admin_password=PASSWORD, env="test", database_url=started.environ.get("LUMETRY_DATABASE_URL", "")
    )


async def make_keys(config: Config) -> list[Credential]:
    """Log keys, workspace keys of the administrator, and the credential of an external source."""
    now = SystemClock().now()
    made = []
    async with open_deployment(config) as database, database.write() as tx:
        project = await default_project(tx, 1, now)
        for access in LogKeyAccess:
            _key, secret = await create_log_key(
                tx, system_caller(1), name=access, project_id=project.id, environment="production", access=access, expire_time=None, now=now
            )
            made.append(Credential(f"log key, {access}", secret, CredentialKind.LOG_KEY, LOG_KEY_PERMISSIONS[access]))
        made.append(Credential("source", await rotate_source_credential(tx, 1, 77, now), CredentialKind.EXTERNAL_SOURCE))
    for scopes in ((), *((scope,) for scope in SCOPES)):
        secret = await create_workspace_key(config, name="key", user="user-admin", scopes=scopes)
        name = f"workspace key, {' '.join(scopes) or 'not narrowed'}"
        made.append(Credential(name, secret, CredentialKind.WORKSPACE_KEY, frozenset(Permission), expand_scopes(scopes)))
    return made


@pytest.fixture(scope="module")
def world(started: Deployment, config: Config) -> Iterator[World]:
    with grpc.insecure_channel(started.addresses["grpc"]) as channel:
        made = World(started, channel, [Credential("none", None), Credential("unknown", "lmt_" + 48 * "0")])
        for role in BUILT_IN_ROLES:
            name = f"user-{role.lower()}"
            asyncio.run(create_user(config, name=name, roles=[role], organization=None, password=PASSWORD))
            made.credentials.append(made.log_in(role))
        for permission in Permission:
            secret = asyncio.run(create_token(config, name=permission, user="admin", permissions=[permission.value]))
            made.credentials.append(Credential(f"token for {permission}", secret, CredentialKind.API_TOKEN, frozenset({permission})))
        made.credentials.append(made.log_in_long_ago())
        made.credentials += asyncio.run(make_keys(config))
        admin = (("authorization", f"Bearer {started.token}"),)
        stub = collector_service_pb2_grpc.CollectorServiceStub(channel)
        enrollments = [
            stub.CreateCollector(collector_service_pb2.CreateCollectorRequest(name=name), metadata=admin, timeout=20).enrollment_token
            for name in ("enrolled", "waiting")
        ]
        request = collector_service_pb2.EnrollCollectorRequest(
            installation_id="d97e2b99-81bd-43aa-823d-dc5f78cd5429", hostname="h", version="1"
        )
        enrolled = stub.EnrollCollector(request, metadata=(("authorization", f"Bearer {enrollments[0]}"),), timeout=20)
        made.credentials.append(Credential("collector", enrolled.credential, CredentialKind.COLLECTOR))
        made.credentials.append(Credential("enrollment", enrollments[1], CredentialKind.COLLECTOR_ENROLLMENT))
        made.credentials += enroll_agent(channel, admin)
        yield made


def enroll_agent(channel: grpc.Channel, admin: tuple[tuple[str, str], ...]) -> list[Credential]:
    """The token of an enrollment profile and the credential of a host agent."""
    asked = host_agent_service_pb2.CreateEnrollmentProfileRequest(name="all")
    managing = host_agent_service_pb2_grpc.HostAgentServiceStub(channel)
    token = managing.CreateEnrollmentProfile(asked, metadata=admin, timeout=20).enrollment_token
    request = host_agent_channel_service_pb2.EnrollHostAgentRequest(
        installation_id="d97e2b99-81bd-43aa-823d-dc5f78cd5429", host_id="h", hostname="h", os="linux"
    )
    stub = host_agent_channel_service_pb2_grpc.HostAgentChannelServiceStub(channel)
    enrolled = stub.EnrollHostAgent(request, metadata=(("authorization", f"Bearer {token}"),), timeout=20)
    agent = Credential("host agent", enrolled.credential, CredentialKind.AGENT)
    return [agent, Credential("agent enrollment", token, CredentialKind.AGENT_ENROLLMENT)]


def call(channel: grpc.Channel, method: Any, credential: Credential, message: bytes = b"") -> Outcome:
    """Calls an RPC of any shape with one message and tells whether it was refused."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    requests: Any = iter([message]) if method.client_streaming else message
    shape = f"{'stream' if method.client_streaming else 'unary'}_{'stream' if method.server_streaming else 'unary'}"
    try:
        if method.server_streaming:  # one that is admitted has no end of its own
            next(getattr(channel, shape)(path, None, None)(requests, metadata=credential.metadata, timeout=STREAM_SECONDS))
        else:
            getattr(channel, shape)(path, None, None)(requests, metadata=credential.metadata, timeout=20)
    except grpc.RpcError as error:
        if error.code() not in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):  # type: ignore[attr-defined]
            return None
        status, info = status_pb2.Status(), error_details_pb2.ErrorInfo()
        status.ParseFromString(dict(error.trailing_metadata())["grpc-status-details-bin"])  # type: ignore[attr-defined]
        assert status.details[0].Unpack(info)
        return error.code().name, info.reason  # type: ignore[attr-defined]
    return None


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_rpc_admits_exactly_whom_its_option_names(world: World, method: Any) -> None:
    """Each RPC with each permission alone, each role, each kind of credential, and none."""
    access = read_access(method.GetOptions().Extensions[permission_pb2.access])
    credentials = world.for_method(method.name)
    with ThreadPoolExecutor(len(credentials)) as executor:
        found = executor.map(lambda credential: call(world.channel, method, credential), credentials)
    outcomes = {credential.name: outcome for credential, outcome in zip(credentials, found, strict=True)}
    if access.public:  # a login answers for itself that it knows nobody, the documentation that a credential is not one of its own
        assert set(outcomes.values()) <= {None, ("UNAUTHENTICATED", "UNAUTHENTICATED"), ("PERMISSION_DENIED", "PERMISSION_DENIED")}
        return
    assert outcomes == {credential.name: expected(access, credential) for credential in credentials}


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_check_access_answers_as_the_rpc_would(world: World, method: Any) -> None:
    """What gateways ask before they report faults is the same rule."""
    access = read_access(method.GetOptions().Extensions[permission_pb2.access])
    [check] = [each for each in METHODS if each.name == "CheckAccess"]
    asked = access_service_pb2.CheckAccessRequest(method=f"/{method.containing_service.full_name}/{method.name}").SerializeToString()
    outcomes = {credential.name: call(world.channel, check, credential, asked) for credential in world.credentials}
    assert outcomes == {credential.name: expected(access, credential) for credential in world.credentials}


def ask(deployment: Deployment, family: Family, route: Route, path: str, credential: Credential) -> int:
    """The status of a request with an empty body; the answer is not read, for it may have no end."""
    connection = http.client.HTTPConnection(deployment.addresses["http"], timeout=20)
    headers = {"Content-Type": "application/json"}
    if credential.kind is CredentialKind.LOG_KEY and family.name == "logs":
        headers["x-api-key"] = str(credential.secret)
    elif credential.secret is not None:
        headers["Authorization"] = f"Bearer {credential.secret}"
    try:
        connection.request(route.method, path, body=None if route.method == "GET" else b"{}", headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def name_of(each: object) -> str:
    """The name of a parameter of the tests below."""
    return each if isinstance(each, str) else str(getattr(each, "name", each))


@pytest.mark.parametrize(("family", "route"), [(family, route) for family, route in ROUTES if not route.public], ids=name_of)
def test_route_admits_exactly_whom_its_rpc_admits(world: World, family: Family, route: Route) -> None:
    """401 and 403 come before anything is said about the request; whoever is admitted gets neither."""
    assert route.rpc is not None
    [method] = [each for each in METHODS if f"/{each.containing_service.full_name}/{each.name}" == route.rpc.path]
    access = read_access(method.GetOptions().Extensions[permission_pb2.access])
    status_of: Mapping[str | None, int | None] = {"UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403, None: None}
    credentials = world.for_method(method.name)
    statuses = {}
    for credential in credentials:
        status = ask(world.deployment, family, route, never_of(route), credential)
        statuses[credential.name] = status if status in (401, 403) else None
    outcomes = {credential.name: expected(access, credential) for credential in credentials}
    if family.name == "lumetry":  # where workspace keys are strangers, whatever the RPC says
        outcomes |= {each.name: ("PERMISSION_DENIED", "") for each in credentials if each.kind is CredentialKind.WORKSPACE_KEY}
    if route.path == WEBHOOK:
        outcomes = dict.fromkeys(outcomes, ("UNAUTHENTICATED", ""))
    assert statuses == {name: status_of[outcome[0] if outcome else None] for name, outcome in outcomes.items()}


def test_logout_ends_the_login_at_once(world: World) -> None:
    """The access token is dead for the next call on every path."""
    login = world.log_in("Viewer")
    by_name: Mapping[str, Any] = {method.name: method for method in METHODS}
    assert call(world.channel, by_name["GetMe"], login) is None
    assert call(world.channel, by_name["Logout"], login) is None
    refused = ("UNAUTHENTICATED", "UNAUTHENTICATED")
    assert [call(world.channel, by_name[name], login) for name in ("GetMe", "ListAlerts", "Logout")] == [refused] * 3
    assert world.deployment.request("GET", "/api/auth/me", token=login.secret)[0] == 401


@dataclass
class Tenants:
    """Organizations: one with something of everything, one that looks for it, and two that have the same names."""

    deployment: Deployment
    owner: str
    stranger: str
    namesakes: tuple[str, str]
    before: dict[str, Any]
    """What the stranger's lists answered before the owner had anything."""
    ids: dict[str, Any]
    """Identities of what the owner has, by the first segment of their routes after `/api`."""
    readers: Iterator[str]
    """Tokens of the owner in turn: the rates of the monitoring family are fixed, for each."""

    def get(self, path: str, token: str) -> tuple[int, Any]:
        return self.deployment.request("GET", path, token=token)

    def log_in(self) -> str:
        """A login of the stranger."""
        status, answer = self.deployment.request("POST", "/api/auth/login", {"username": "stranger", "password": PASSWORD})
        assert status == 200, answer
        return str(answer["accessToken"])

    def read(self, path: str) -> Any:
        """What the owner finds, without what time alone changes."""
        status, body = self.get(path, next(self.readers))
        assert status == 200, (path, body)
        return without_passing(body)


NUMBERS = itertools.count(1)
START = datetime.now(UTC) - timedelta(minutes=10)
METRIC, HOST, COLLECTOR = "tenant.latency", "tenant-host", "tenant-collector"
PASSING = ("lastUsedAt", "last_used_at", "lastLoginAt", "durationSeconds", "next_scan", "generatedAt")
"""What time alone changes."""
LISTS = [
    route
    for _, route in ROUTES
    if route.method == "GET" and not route.public and not route.parameters and route.media_type != "text/event-stream"
    if route.path != "/v1/collectors/config"  # which only a collector asks for, and is answered its own
]
ALIKE = (
    "/api/settings",
    "/api/system-alerts",
    "/api/evaluation-jobs/failed",
    "/api/v1/runtime/status",
    "/api/v1/api-keys",
    "/api/v1/resources/summary",
    "/api/v1/billing/catalog",
    "/api/v1/billing/ledger",
    "/api/v1/billing/budgets",
    "/api/deployments/agent-installer",
)
"""Lists that say the same to owner and stranger."""
WEBHOOK = "/v1/alert-sources/{sourceKey:key}/events"
"""Which answers 401 to every credential but the source's own, whoever asks, and for sources that do not exist (contract lumetry 13.4)."""
CLAIM = "/v1/collectors/claims/{claimId:uuid}/complete"
"""Which only collectors may ask; `test_collector_work` shows that claims of another do not exist for them."""
RULE_PACK = "/api/agents/rule-packs/{packId:key}"
"""Rule packs are built in: every organization has the same ones, and decides for itself how they are used."""
WITHOUT_404 = ("/api/revisions/{entityType:key}/{entityId:key}", WEBHOOK, CLAIM, RULE_PACK)
"""An identity without revisions has an empty page (contract lumetry 18)."""
ADDRESSED = [route for _, route in ROUTES if route.parameters and not route.public and route.path not in WITHOUT_404]
WITHOUT_READING = ("/api/v1/containers/{id:int}/logs", "/api/v1/containers/{id:int}/logs/stream")
"""Which ask a container runtime, even for their owner."""


def fill(deployment: Deployment, token: str, values: tuple[float, ...]) -> dict[str, Any]:
    """Makes one of everything that has an identity, and gives the identities by the noun of their routes."""

    def send(method: str, path: str, body: Any) -> Any:
        status, answer = deployment.request(method, path, body, token=token)
        assert status in (200, 201, 202), answer
        return answer

    def point(value: float, second: int) -> dict[str, Any]:
        moment = START + timedelta(seconds=second)
        return {"metricName": METRIC, "timestamp": moment.isoformat(), "value": value, "labels": {"host.id": HOST}}

    target = {"name": "Tenant target", "type": "Webhook", "endpointUrl": "https://receiver.invalid/", "isEnabled": False}
    integration = send("POST", "/api/alerting/integrations", target)
    routing = {"name": "Tenant routing", "isDefault": True, "integrationIds": [integration["id"]]}
    routing_id = send("POST", "/api/alerting/profiles", routing)["id"]
    send("POST", "/v1/metrics", {"metrics": [point(1, 0)]})
    rule = {"name": "Tenant rule", "metricId": METRIC, "type": "Static", "direction": "Above", "staticUpper": 10}
    rule_id = send("POST", "/api/rules", rule)["id"]
    for second, value in enumerate(values):
        job_id = send("POST", "/api/metric-ingestion", point(value, second + 1))["jobId"]
    incidents = wait_until(lambda: deployment.request("GET", "/api/incidents", token=token)[1], 20, deployment.describe)
    [alert] = deployment.request("GET", "/api/alerts", token=token)[1]
    collector = send("POST", "/api/collectors", {"name": COLLECTOR})
    role = send("POST", "/api/roles", {"name": "Tenant role", "permissions": ["CanViewAlerts"]})
    user = send("POST", "/api/users", {"username": f"tenant-{next(NUMBERS)}", "roles": ["Viewer"]})
    project = send("POST", "/api/v1/projects", {"name": "Tenant project"})["data"]
    agent = send("POST", "/api/v1/agents", {"name": "Tenant agent"})["data"]
    session = send("POST", "/api/v1/sessions", {"label": "Tenant session", "agentId": agent["id"]})["data"]
    send("POST", f"/api/v1/sessions/{session['id']}/messages", {"content": "of a tenant", "agentId": agent["id"]})
    profile = send("POST", "/api/baseline-profiles", {"name": "Tenant profile"})
    period = {"startTime": "2020-01-01T00:00:00Z", "endTime": "2020-01-02T00:00:00Z", "reason": "of a tenant"}
    window = send("POST", "/api/incident-windows", period)
    holiday = send("POST", "/api/public-holidays", period)
    planned = send("POST", "/api/maintenance-windows", {**period, "scopeType": "Global"})
    silence = send("POST", "/api/silences", {**period, "matchers": {"metricId": METRIC}})
    found_definitions = deployment.request("GET", "/api/metric-definitions", token=token)[1]["items"]
    [definition] = [found for found in found_definitions if found["metricKey"] == METRIC]
    service = send("POST", "/api/topology/nodes", {"nodeType": "BusinessService", "displayName": "Service of a tenant"})
    node = send("POST", "/api/topology/nodes", {"nodeType": "Application", "displayName": "Application of a tenant"})
    edge = send("POST", "/api/topology/edges", {"sourceNodeId": service["id"], "targetNodeId": node["id"], "edgeType": "contains"})
    binding = send("POST", f"/api/metric-definitions/{METRIC}/bindings", {"nodeId": node["id"]})
    source = send("POST", "/api/external-alert-sources", {"name": "Tenant source", "providerType": "GENERIC"})["source"]
    mapped = send("POST", "/api/external-alert-definitions", {"sourceId": source["id"], "definitionKey": "k", "topologyNodeId": node["id"]})
    entry = {"timestamp": START.isoformat(), "level": "error", "message": "of a tenant"}
    send("POST", "/v1/logs", {"logs": [entry]})
    [found] = deployment.request("GET", "/v1/logs", token=token)[1]["logs"]
    groups = wait_until(lambda: deployment.request("GET", "/v1/log-groups", token=token)[1]["groups"], 20, deployment.describe)
    log_rule = send("POST", "/v1/log-alert-rules", {"rule_name": "Tenant log rule"})
    notices = wait_until(
        lambda: deployment.request("GET", "/api/v1/notifications", token=token)[1]["data"]["items"], 20, deployment.describe
    )
    [connection] = deployment.request("GET", "/api/v1/connections?connector=generic", token=token)[1]["data"]["items"]
    polled = {
        "name": "Tenant metric source",
        "type": "prometheus",
        "config": {"baseUrl": "https://receiver.invalid"},
        "items": [{"metricKey": "tenant.polled", "query": "up"}],
        "collectorId": collector["id"],
        "isEnabled": False,
    }
    metric_source = send("POST", "/api/metric-sources", polled)
    source_test = send("POST", f"/api/metric-sources/{metric_source['id']}/test", {})
    folder = send("POST", "/api/v1/files", {"source": "folder", "name": "Tenant folder"})["data"]
    admitting = send("POST", "/api/agents/enrollment-profiles", {"name": "Tenant agents"})
    installation = {"installationId": str(uuid.uuid4()), "hostId": "tenant-agent-host", "hostname": "Tenant host", "os": "linux"}
    status, host_agent = deployment.request("POST", "/v1/agents/enroll", installation, token=admitting["enrollmentToken"])
    assert status == 201, host_agent
    running = {"executable": "tenant.exe", "identity": "tenant-process", "instanceCount": 1}
    report = {"collectedAt": datetime.now(UTC).isoformat(), "processes": [running]}
    status, answer = deployment.request("POST", "/v1/agents/process-inventory", report, token=host_agent["credential"])
    assert status == 202, answer
    send("PUT", "/api/processes/tenant-process/monitor", {"enabled": True})
    send("PUT", "/api/agents/rule-packs/process", {"enabled": True, "alwaysCollectProcesses": ["tenant.exe"]})
    send("POST", "/api/agents/host-clusters", {"displayName": "Tenant cluster"})
    send("POST", "/api/agents/tags", {"name": "Tenant tag"})
    return fill_monitoring(deployment, send, token) | {
        "files": folder["id"],
        "notifications": notices[0]["id"],
        "connections": connection["id"],
        "roles": role["id"],
        "users": user["id"],
        "projects": project["id"],
        "agents": agent["id"],
        "host-agents": host_agent["agentId"],
        "executable": "tenant.exe",
        "processes": "tenant-process",
        "sessions": session["id"],
        "logs": found["id"],
        "log-groups": groups[0]["id"],
        "log-alert-rules": log_rule["id"],
        "orgs": deployment.request("GET", "/api/v1/user", token=token)[1]["data"]["orgSlug"],
        "metrics": METRIC,
        "metricKey": METRIC,
        "metric-sources": metric_source["id"],
        "tests": source_test["testId"],
        "metric-definitions": definition["id"],
        "bindingId": binding["id"],
        "nodes": node["id"],
        "edges": edge["id"],
        "external-alert-sources": source["id"],
        "external-alert-definitions": mapped["id"],
        "baseline-profiles": profile["id"],
        "incident-windows": window["id"],
        "maintenance-windows": planned["id"],
        "silences": silence["id"],
        "public-holidays": holiday["id"],
        "rules": rule_id,
        "alerts": alert["id"],
        "events": alert["id"],
        "incidents": incidents[0]["id"],
        "evaluation-jobs": job_id,
        "collectors": collector["id"],
        "integrations": integration["id"],
        "profiles": routing_id,
    }


def fill_monitoring(deployment: Deployment, send: Callable[[str, str, Any], Any], token: str) -> dict[str, Any]:
    """As `fill`, what watches from outside. Nothing of it tells anybody, or alerts."""
    silent = {"name": "Tenant channel", "url": "https://receiver.invalid/", "enabled": False}
    channel = send("POST", "/api/v1/channels", silent)
    routed = send("POST", f"/api/v1/channels/{channel['id']}/rules", {"source_filter": "heartbeat", "severity_filter": "critical"})
    hook = {"name": "Tenant webhook", "url": "https://receiver.invalid/", "event_types": ["alert.acknowledged"]}
    webhook = send("POST", "/api/v1/webhooks", hook)
    heartbeat = send("POST", "/api/v1/heartbeats", {"name": "Tenant job", "interval_seconds": 604_800})
    refusing = {"name": "Tenant endpoint", "target": "127.0.0.1:1", "interval": "24h", "failure_threshold": 100}
    endpoint = send("POST", "/api/v1/endpoints", refusing)["endpoint"]
    certificate = send("POST", "/api/v1/certificates", {"hostname": "certificate.invalid"})["certificate"]
    muted = send("POST", "/api/v1/silence", {"duration_seconds": 31_536_000, "entity_type": "heartbeat", "entity_id": heartbeat["id"]})
    group = send("POST", "/api/v1/status/groups", {"name": "Tenant group"})
    shown = {"monitor_type": "heartbeat", "monitor_id": heartbeat["id"], "display_name": "Tenant component", "group_id": group["id"]}
    component = send("POST", "/api/v1/status/components", shown)
    exclusion = send("POST", "/api/v1/updates/exclusions", {"pattern": "tenant/*", "pattern_type": "image"})
    path = f"/api/v1/endpoints/{endpoint['id']}"
    wait_until(lambda: deployment.request("GET", path, token=token)[1]["endpoint"]["status"] == "down", 20, deployment.describe)
    return {
        "channels": channel["id"],
        "rule_id": routed["id"],
        "webhooks": webhook["id"],
        "heartbeats": heartbeat["id"],
        "endpoints": endpoint["id"],
        "certificates": certificate["id"],
        "silence": muted["id"],
        "groups": group["id"],
        "components": component["id"],
        "exclusions": exclusion["id"],
    }


@pytest.fixture(scope="module")
def tenants(started: Deployment, config: Config) -> Tenants:
    def settle(name: str) -> str:
        asyncio.run(create_organization(config, name=name))
        asyncio.run(create_user(config, name=name, roles=["Admin"], organization=name, password=PASSWORD))
        return asyncio.run(create_token(config, name="tenant", user=name, permissions=None))

    def read_as_owner(number: int) -> str:
        return asyncio.run(create_token(config, name=f"reader {number}", user="owner", permissions=None))

    owner, stranger, *namesakes = (settle(name) for name in ("owner", "stranger", "first-namesake", "second-namesake"))
    for path in ("/api/v1/projects", "/api/v1/agents"):
        started.request("GET", path, token=stranger)  # which makes what every organization has
    before = {route.path: without_passing(started.request("GET", route.path, token=stranger)[1]) for route in LISTS}
    ids = fill(started, owner, (99.0,))
    ids |= asyncio.run(make_secrets(config, "owner")) | asyncio.run(make_hint(config, "owner", ids["incidents"]))
    ids |= asyncio.run(make_container(config, "owner"))
    asyncio.run(end_source_test(config, "owner", ids["tests"]))
    return Tenants(
        started,
        owner,
        stranger,
        (namesakes[0], namesakes[1]),
        before,
        ids,
        itertools.cycle([read_as_owner(number) for number in range(20)]),
    )


async def make_secrets(config: Config, name: str) -> dict[str, Any]:
    """Credentials that only a login may make, of a user, by the noun of their routes."""
    now = SystemClock().now()
    async with open_deployment(config) as database, database.write() as tx:
        user = await find_user_by_name(tx, name)
        system = system_caller(user.organization_id)
        token, _ = await create_api_token(tx, system, user.id, name="t", permissions=None, expire_time=None, now=now)
        project = await default_project(tx, user.organization_id, now)
        log_key, _ = await create_log_key(
            tx,
            system,
            name="k",
            project_id=project.id,
            environment="production",
            access=LogKeyAccess.FULL,
            expire_time=None,
            now=now,
        )
        workspace_key, _ = await create_workspace_key_of(
            tx, system, user.id, name="w", scopes=(), expire_time=None, production=False, now=now
        )
    return {"api-tokens": token.id, "log-keys": log_key.id, "api-keys": workspace_key.id}


async def make_hint(config: Config, name: str, incident_id: int) -> dict[str, Any]:
    """What only time makes of an incident of a user's organization, by the noun of its routes."""
    async with open_deployment(config) as database, database.write() as tx:
        caller = system_caller((await find_user_by_name(tx, name)).organization_id)
        incident = await get_incident(tx, caller, incident_id)
        await upsert_occurrences(tx, caller.organization_id, [reopened_incident(incident, 1)], SystemClock().now())
        [hint] = await list_candidates(tx, caller, "", "", 0)
    return {"problem-candidates": hint.id}


async def end_source_test(config: Config, name: str, test_id: int) -> None:
    """Ends a test that would otherwise run out while its collector never comes."""
    async with open_deployment(config) as database, database.write() as tx:
        organization_id = (await find_user_by_name(tx, name)).organization_id
        await end_test(tx, organization_id, SourceTest(id=test_id, status=SourceTestStatus.FAILED, duration_ms=0, error="of a tenant"))


async def make_container(config: Config, name: str) -> dict[str, Any]:
    """What only a container runtime tells of, which is the first organization's alone: a container that was sampled and lags behind."""
    now = SystemClock().now()
    async with open_deployment(config) as database, database.write() as tx:
        organization_id = (await find_user_by_name(tx, name)).organization_id
        image = "registry.invalid/tenant:1.0"
        seen = Inspected("engine-id-of-tenant", "tenant", image, "sha256:1", "running", labels={"lumetry.group": "tenant"})
        await reconcile(tx, organization_id, [seen], Rules(Vault(bytes(32)), PRIVATE_TOO), now)
        [container] = await list_containers(tx, organization_id)
        used = Sample(container.id, now, 12.5, 2**20, 2**30, 1, 2, 3, 4)
        await record_round(tx, organization_id, [Latest(used, 2, 0.0, 0.0)], now)
        await open_scan(tx, organization_id, now)
        scan = await take_scan(tx, "test", now)
        assert scan is not None
        [target] = await list_targets(tx, organization_id)
        newer = Finding("1.1", None, UpdateType.MINOR)
        await record_outcome(tx, scan, "test", target, CheckOutcome(newer), now)
        await complete_scan(tx, scan, "test", now)
    external = {"container": container.external_id, "pin": container.external_id, "scan": scan.id}
    return {"containers": container.id} | external


def noun_of(route: Route) -> str:
    """What a route addresses: the segment before its first placeholder; agents of hosts and other agents have the same."""
    segments = route.path.split("/")
    noun = segments[next(place for place, segment in enumerate(segments) if segment.startswith("{")) - 1]
    return "host-agents" if noun == "agents" and segments[2] == noun else noun


def path_of(route: Route, ids: Mapping[str, Any]) -> str:
    """A route's path with the identity of what it addresses."""
    return PLACEHOLDER.sub(lambda found: str(ids.get(found[1], ids[noun_of(route)])), route.path)


def never_of(route: Route) -> str:
    """A route's path with an identity of the right kind that nothing has."""
    kinds = {
        "int": "9007199254740991",
        "uuid": "00000000-0000-4000-8000-000000000000",
        "key": "never.was",
        "rest": "never/was",
    }
    return PLACEHOLDER.sub(lambda found: kinds[found[2]], route.path)


def without_passing(body: Any, passing: Collection[str] = (*PASSING, "timestamp")) -> Any:
    """What was answered without what time alone changes, and without the time of the answer as a whole."""
    if isinstance(body, dict):
        return {key: without_passing(value, PASSING) for key, value in body.items() if key not in passing}
    return [without_passing(each, PASSING) for each in body] if isinstance(body, list) else body


def without_identity(route: Route, path: str, answer: Any) -> str:
    """A problem in which nothing tells what was asked for, or in which request."""
    text = json.dumps({key: value for key, value in answer.items() if key != "instance"})
    asked = re.fullmatch(PLACEHOLDER.sub("(.+)", route.path), path)
    assert asked is not None
    for identity in asked.groups():
        text = re.sub(rf"(?<![\w.-]){re.escape(identity)}(?![\w.-])", "it", text)
    return text


def needs_login(route: Route) -> bool:
    """Whether only an interactive login may call it."""
    [method] = [each for each in METHODS if route.rpc and f"/{each.containing_service.full_name}/{each.name}" == route.rpc.path]
    return read_access(method.GetOptions().Extensions[permission_pb2.access]).credentials == {CredentialKind.INTERACTIVE}


@pytest.mark.parametrize("route", ADDRESSED, ids=lambda route: route.name)
def test_identity_of_another_organization_does_not_exist(tenants: Tenants, route: Route) -> None:
    """404, as for what never was, whatever the method; the owner, who does find it, sees nothing changed."""
    stranger = tenants.log_in() if needs_login(route) else tenants.stranger
    read = [path_of(each, tenants.ids) for each in ADDRESSED if each.method == "GET" and each.path not in WITHOUT_READING]
    before = {path: tenants.read(path) for path in read}
    path = path_of(route, tenants.ids)
    body: Any = (
        None
        if route.method in ("GET", "DELETE")
        else {"note": "mine now", "name": "Mine", "resolutionClassification": "Resolved", "read": True, "label": "Mine", "content": "Mine"}
    )
    status, answer = tenants.deployment.request(route.method, path, body, token=stranger)
    never = never_of(route)
    if path.count("-") >= 4:  # of the form of a UUID as well
        never = never.replace("never.was", "00000000-0000-4000-8000-000000000000")
    status_of_never, answer_of_never = tenants.deployment.request(route.method, never, body, token=stranger)
    assert (status, status_of_never) == (404, 404)
    assert without_identity(route, path, answer) == without_identity(route, never, answer_of_never)
    assert {path: tenants.read(path) for path in read} == before


@pytest.mark.parametrize("route", LISTS, ids=lambda route: route.name)
def test_list_shows_nothing_of_another_organization(tenants: Tenants, route: Route) -> None:
    """A stranger's lists answer as if nobody else were there, and the owner's do not."""
    status, body = tenants.get(route.path, tenants.stranger)
    if route.path == "/api/audit-logs":  # which tells the stranger of the stranger's own logins
        assert {entry["actorDisplayName"] for entry in body["items"]} <= {"stranger", "system"}
        return
    assert (status, without_passing(body)) == (200, tenants.before[route.path])
    if route.path not in ALIKE:
        assert without_passing(tenants.get(route.path, tenants.owner)[1]) != tenants.before[route.path]


FILTERS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "ruleId": lambda ids: ids["rules"],
    "alertId": lambda ids: ids["alerts"],
    "sourceId": lambda ids: ids["external-alert-sources"],
    "incidentId": lambda ids: ids["incidents"],
    "metricId": lambda ids: ids["metrics"],
    "metricKey": lambda ids: ids["metrics"],
    "search": lambda ids: ids["metrics"],
}
FILTERED = [
    (route, field.encode_name)
    for route in LISTS
    if route.query is not None
    for field in msgspec.structs.fields(route.query)
    if field.encode_name in FILTERS
]


@pytest.mark.parametrize(("route", "name"), FILTERED, ids=lambda each: each if isinstance(each, str) else each.name)
def test_filter_finds_nothing_of_another_organization(tenants: Tenants, route: Route, name: str) -> None:
    """An identity that a stranger knows opens no list either."""
    status, answer = tenants.get(f"{route.path}?{name}={FILTERS[name](tenants.ids)}", tenants.stranger)
    rows = next(answer[name] for name in ("items", "data", "logs") if name in answer) if isinstance(answer, dict) else answer
    rows = rows.get("activity", rows)["items"] if isinstance(rows, dict) else rows
    assert (status, rows) == (200, [])


@contextmanager
def open_stream(tenants: Tenants, token: str) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection(tenants.deployment.addresses["http"], timeout=20)
    with closing(connection):
        connection.request("GET", "/api/stream", headers={"Authorization": f"Bearer {token}"})
        with connection.getresponse() as response:
            assert response.status == 200
            yield response


def next_event(stream: http.client.HTTPResponse) -> dict[str, Any]:
    """The subject of the next event of a stream."""
    while not (line := stream.readline()).startswith(b"data:"):
        assert line, "the stream ended"
    subject: dict[str, Any] = json.loads(line.removeprefix(b"data:"))
    return subject


def test_names_of_another_organization_stand_for_ones_own(tenants: Tenants) -> None:
    """Organizations with the same metric, rule and collector neither share points nor hear of each other."""
    first, second = tenants.namesakes
    with open_stream(tenants, first) as heard_by_first, open_stream(tenants, second) as heard_by_second:
        of_first = fill(tenants.deployment, first, (77.0,))
        of_second = fill(tenants.deployment, second, (55.0,))
        assert next_event(heard_by_first)["id"] == of_first["alerts"]
        assert next_event(heard_by_second)["id"] == of_second["alerts"]
    found = [[row["value"] for row in tenants.get(f"/api/metrics/{METRIC}/series", token)[1]] for token in (tenants.owner, first, second)]
    assert found == [[1.0, 99.0], [1.0, 77.0], [1.0, 55.0]]
    assert len({tenants.ids["alerts"], of_first["alerts"], of_second["alerts"]}) == 3
