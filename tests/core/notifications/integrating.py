"""What tests of integrations and of sending start from."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from lumetry_core.access.vault import Vault
from lumetry_core.alerts.decisions import Transition
from lumetry_core.alerts.model import Alert, AlertState, SourceKind
from lumetry_core.notifications.drafts import IntegrationDraft
from lumetry_core.notifications.messages import Message
from lumetry_core.notifications.model import Integration, IntegrationType, Secrets
from lumetry_core.notifications.payload import spell_alert
from lumetry_core.notifications.sealing import seal
from lumetry_core.notifications.service.integrations import Rules
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.addresses import GLOBAL_ONLY, PRIVATE_TOO
from lumetry_core.runtime.caller import Caller, CredentialKind

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
CALLER = Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=42, user_name="admin", request_id="r-1")
OTHER = Caller(organization_id=8, kind=CredentialKind.INTERACTIVE, user_id=43, user_name="other")
VAULT = Vault(bytes(32))
RULES = Rules(VAULT, GLOBAL_ONLY)
LAB_RULES = Rules(VAULT, PRIVATE_TOO)

ALERT = Alert(
    id=9012,
    organization_id=7,
    rule_id=17,
    rule_epoch=1,
    metric_key="db.cpu",
    metric_display_name="Database CPU",
    dimension_key="host=db1",
    alert_name="Database health",
    source_kind=SourceKind.METRIC_RULE,
    state=AlertState.OPEN,
    severity=Severity.CRITICAL,
    alert_level_id=3,
    trigger_reason="11 violations within 10 minutes",
    violation_count=11,
    start_time=NOW,
    end_time=None,
    acknowledge_time=None,
    incident_id=5,
    incident_eligibility=None,
    watch_start_time=None,
    last_resolved_incident_id=None,
    first_violation_time=NOW,
    last_not_clear_time=NOW,
    close_cause=None,
    create_time=NOW,
    update_time=NOW,
    related_service_id=42,
    related_service_name="Mobile Banking",
    related_ci_id=51,
    related_ci_name="DB1",
)
INCIDENT = {"id": 5, "incidentKey": "INC-000005", "status": "Open", "severity": "Critical"}


def draft(**fields: Any) -> IntegrationDraft:
    """A Webhook, unless a test says otherwise."""
    return IntegrationDraft(**{"name": "Ops", "type": "Webhook", "endpoint_url": "https://hooks.example.com/in"} | fields)


def make_integration(
    kind: IntegrationType, url: str | None, secrets: Secrets | None = None, vault: Vault = VAULT, **fields: Any
) -> Integration:
    """A stored integration."""
    kept = secrets or Secrets()
    common: dict[str, Any] = {"id": 4, "organization_id": 7, "name": "Ops", "type": kind, "endpoint_url": url, "create_time": NOW}
    common |= {"update_time": NOW, "header_names": tuple(kept.headers), "has_secret": kept.secret is not None}
    return Integration(**common | {"sealed": seal(vault, 7, kept)} | fields)


def make_message(transition: Transition = Transition.OPEN, alert: Alert = ALERT) -> Message:
    """A transition of an alert."""
    return Message(f"{alert.id}:{transition}", transition, spell_alert(alert), INCIDENT, NOW)


@dataclass
class Receiver:
    """A real HTTP server on loopback, and what it was asked."""

    url: str = ""
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    """Method, path with query, headers in lower case, body."""

    @property
    def methods(self) -> list[str]:
        """Methods and paths of the requests in order."""
        return [f"{method} {path}" for method, path, _, _ in self.asked]


Answer = Callable[[web.Request, bytes], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def receiving(answer: Answer) -> AsyncIterator[Receiver]:
    """A receiver that answers what a test says."""
    receiver = Receiver()

    async def on_request(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        receiver.asked.append((request.method, request.raw_path, headers, body))
        return await answer(request, body)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", on_request)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield receiver
    finally:
        await runner.cleanup()


def always(status: int, headers: dict[str, str] | None = None, text: str = "") -> Answer:
    """The same answer to every request."""

    async def answer(_request: web.Request, _body: bytes) -> web.StreamResponse:
        return web.Response(status=status, headers=headers, text=text)

    return answer
