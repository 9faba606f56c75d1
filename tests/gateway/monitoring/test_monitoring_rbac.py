"""What protos say about who may call is what the contract's table says (contract monitoring 1.2, 21)."""

from collections.abc import Iterator

import pytest

from gateway.app import build_families
from gateway.config import Config
from gateway.transcode.routes import Route
from lumetry.access.v1 import permission_pb2
from lumetry_core.runtime.caller import CredentialKind, Permission
from lumetry_core.runtime.interceptors import Access, read_access
from tests.test_architecture import METHODS

PERMISSIONS = {
    "V": Permission.VIEW_ALERTS,
    "L": Permission.VIEW_LOGS,
    "R": Permission.MANAGE_RULES,
    "A": Permission.ACKNOWLEDGE_ALERTS,
    "I": Permission.MANAGE_INTEGRATIONS,
    "P": Permission.MANAGE_ALERT_PROFILES,
    "F": Permission.MANAGE_INFRASTRUCTURE,
}
PEOPLE = frozenset({CredentialKind.INTERACTIVE, CredentialKind.API_TOKEN})
TABLE = """
GET /api/v1/runtime/status V
GET /api/v1/edition V
GET /api/v1/containers V
GET /api/v1/containers/events V
GET /api/v1/containers/{id} V
DELETE /api/v1/containers/{id} F
GET /api/v1/containers/{id}/transitions V
GET /api/v1/containers/{id}/logs L
GET /api/v1/containers/{id}/logs/stream L
GET /api/v1/containers/{id}/endpoints V
GET /api/v1/containers/{id}/resources/current V
GET /api/v1/containers/{id}/resources/history V
GET /api/v1/containers/{id}/resources/alerts V
PUT /api/v1/containers/{id}/resources/alerts R
GET /api/v1/endpoints V
POST /api/v1/endpoints R
GET /api/v1/endpoints/{id} V
PUT /api/v1/endpoints/{id} R
DELETE /api/v1/endpoints/{id} R
GET /api/v1/endpoints/{id}/checks V
GET /api/v1/endpoints/{id}/uptime/daily V
GET /api/v1/heartbeats V
POST /api/v1/heartbeats R
GET /api/v1/heartbeats/{id} V
PUT /api/v1/heartbeats/{id} R
DELETE /api/v1/heartbeats/{id} R
POST /api/v1/heartbeats/{id}/pause R
POST /api/v1/heartbeats/{id}/resume R
GET /api/v1/heartbeats/{id}/executions V
GET /api/v1/heartbeats/{id}/pings V
GET /api/v1/heartbeats/{id}/uptime/daily V
GET /api/v1/certificates V
POST /api/v1/certificates R
GET /api/v1/certificates/{id} V
PUT /api/v1/certificates/{id} R
DELETE /api/v1/certificates/{id} R
GET /api/v1/certificates/{id}/checks V
GET /api/v1/resources/summary V
GET /api/v1/resources/top V
GET /api/v1/alerts V
GET /api/v1/alerts/active V
GET /api/v1/alerts/{id} V
POST /api/v1/alerts/{id}/acknowledge A
GET /api/v1/channels V
POST /api/v1/channels I
GET /api/v1/channels/{id} V
PUT /api/v1/channels/{id} I
DELETE /api/v1/channels/{id} I
POST /api/v1/channels/{id}/test I
POST /api/v1/channels/{id}/rules P
DELETE /api/v1/channels/{id}/rules/{rule_id} P
GET /api/v1/channels/{id}/deliveries V
GET /api/v1/silence V
POST /api/v1/silence A
DELETE /api/v1/silence/{id} A
GET /api/v1/webhooks V
POST /api/v1/webhooks I-
GET /api/v1/webhooks/{id} V
PUT /api/v1/webhooks/{id} I-
DELETE /api/v1/webhooks/{id} I-
POST /api/v1/webhooks/{id}/test I-
GET /api/v1/webhooks/{id}/deliveries V
GET /api/v1/status/groups V
POST /api/v1/status/groups I
PUT /api/v1/status/groups/{id} I
DELETE /api/v1/status/groups/{id} I
GET /api/v1/status/components V
POST /api/v1/status/components I
PUT /api/v1/status/components/{id} I
DELETE /api/v1/status/components/{id} I
GET /api/v1/updates V
GET /api/v1/updates/summary V
POST /api/v1/updates/scan F
GET /api/v1/updates/scan/{scan_id} V
GET /api/v1/updates/dry-run V
GET /api/v1/updates/container/{container_id} V
POST /api/v1/updates/pin/{container_id} F
DELETE /api/v1/updates/pin/{container_id} F
GET /api/v1/updates/exclusions V
POST /api/v1/updates/exclusions F
DELETE /api/v1/updates/exclusions/{id} F
GET /api/v1/dashboard/sparklines V
"""
"""Routes that need a credential, with the letter of the permission; `-`: not with a workspace key."""
PUBLIC = ("/api/v1/health", "/ping/{uuid}", "/status")
[FAMILY] = [family for family in build_families(Config()).all if family.name == "monitoring"]
ROUTES = {route.name: route for route in FAMILY.routes}
ROWS = [line.rsplit(" ", 1) for line in TABLE.split("\n") if line]


def access_of(route: Route) -> Access:
    """The option of the RPC behind a route."""
    [method] = [each for each in METHODS if route.rpc and f"/{each.containing_service.full_name}/{each.name}" == route.rpc.path]
    return read_access(method.GetOptions().Extensions[permission_pb2.access])


def public_names() -> Iterator[str]:
    """The routes that need no credential."""
    return (name for name, route in ROUTES.items() if route.public)


def test_routes_that_need_a_credential() -> None:
    """Those of the table, and no others; what is public lies where the contract says."""
    assert sorted(name for name, route in ROUTES.items() if not route.public) == sorted(name for name, _ in ROWS)
    assert [name for name in public_names() if not name.partition(" ")[2].startswith(PUBLIC)] == []


@pytest.mark.parametrize(("name", "letter"), ROWS)
def test_access_of_route(name: str, letter: str) -> None:
    """The permission, the scope of keys and the credentials of each."""
    access = access_of(ROUTES[name])
    assert access.any_of == {PERMISSIONS[letter[0]]}
    assert access.scope == ("monitoring:read" if name.startswith("GET") else "monitoring:write")
    assert access.credentials == (PEOPLE if letter.endswith("-") else PEOPLE | {CredentialKind.WORKSPACE_KEY})


@pytest.mark.parametrize("name", [name for name, letter in ROWS if letter.endswith("-")])
def test_refusal_of_workspace_keys(name: str) -> None:
    """A key is told why."""
    assert access_of(ROUTES[name]).key_refusal == "Webhook management requires a browser session"
