from typing import Any

import pytest

from lumetry_core.access.service.audit import record_audit
from lumetry_core.activity.model import Actor, ActorType, Draft, ItemFilter, Resource, Severity
from lumetry_core.feed.activity_items import ITEMS, describe_event
from lumetry_core.feed.registry import EVENT_TYPES
from lumetry_core.feed.service import tell
from lumetry_core.projects.links import LinkType
from lumetry_core.projects.service import default_project, replace_links
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from tests.core.activity.building import ORGANIZATION, read_all

CALLER = Caller(organization_id=ORGANIZATION, kind=CredentialKind.INTERACTIVE, user_id=42, user_name="anna")


@pytest.mark.parametrize(
    ("event_type", "data", "action", "title", "resource"),
    [
        (
            "endpoint.status_changed",
            {"endpoint_id": 3, "target": "https://shop", "previous_status": "up", "new_status": "down", "error": "refused"},
            "down",
            "Endpoint https://shop is down",
            "endpoint",
        ),
        (
            "endpoint.status_changed",
            {"endpoint_id": 3, "target": "https://shop", "previous_status": "down", "new_status": "up", "error": None},
            "recovered",
            "Endpoint recovered: https://shop",
            "endpoint",
        ),
        ("heartbeat.alert", {"heartbeat_id": 3, "name": "backup", "details": "No ping"}, "down", "Heartbeat backup is down", "heartbeat"),
        (
            "heartbeat.status_changed",
            {"heartbeat_id": 3, "old_status": "paused", "new_status": "up"},
            "resumed",
            "Heartbeat resumed: 3",
            "heartbeat",
        ),
        (
            "certificate.status_changed",
            {"monitor_id": 3, "hostname": "shop", "previous_status": "valid", "new_status": "expired"},
            "down",
            "Certificate shop is down",
            "certificate",
        ),
        (
            "container.state_changed",
            {"id": 3, "name": "web", "previous_state": "running", "state": "exited", "exit_code": 1},
            "down",
            "Container web is down",
            "container",
        ),
        (
            "container.state_changed",
            {"id": 3, "name": "web", "previous_state": "running", "state": "paused", "exit_code": None},
            "paused",
            "Container paused: web",
            "container",
        ),
        ("container.archived", {"id": 3, "name": "web"}, "deleted", "Container deleted: web", "container"),
    ],
)
def test_describe_event(event_type: str, data: dict[str, Any], action: str, title: str, resource: str) -> None:
    """What happens to monitors becomes items."""
    draft = describe_event(event_type, data)
    assert draft is not None
    assert (draft.kind, draft.action, draft.title, draft.resource) == ("monitor", action, title, Resource(resource, "3"))


@pytest.mark.parametrize(
    ("event_type", "data"),
    [
        ("endpoint.status_changed", {"endpoint_id": 3, "previous_status": "unknown", "new_status": "up"}),
        ("certificate.status_changed", {"previous_status": "valid", "new_status": "expiring"}),
        ("container.state_changed", {"previous_state": "created", "state": "running"}),
        ("heartbeat.status_changed", {"old_status": "new", "new_status": "up"}),
        ("heartbeat.pinged", {}),
    ],
)
def test_describe_event_that_is_no_news(event_type: str, data: dict[str, Any]) -> None:
    """What is neither a failure nor its end has no item."""
    assert describe_event(event_type, data) is None


def test_items_are_of_known_events() -> None:
    """Items are made of events that exist."""
    assert ITEMS.keys() <= EVENT_TYPES.keys()


async def test_tell_writes_one_item_with_the_audit(database: Database, clock: Clock) -> None:
    """A deed that is both told and audited is one item, with who did it and the project of the monitor."""
    async with database.write() as tx:
        project = await default_project(tx, ORGANIZATION, clock.now())
        await replace_links(tx, ORGANIZATION, project.id, {LinkType.CERTIFICATE: ["3"]})
        event = {"monitor_id": 3, "hostname": "shop", "port": 443, "source": "standalone"}
        await tell(tx, ORGANIZATION, [("certificate.created", event)], clock.now())
        after = {"hostname": "shop", "port": 443}
        await record_audit(tx, CALLER, "CertificateMonitor.Created", "CertificateMonitor", 3, clock.now(), after=after)
    (item,) = await read_all(database, ItemFilter(project_id=project.id))
    assert item.draft == Draft(
        kind="monitor",
        action="created",
        title="Certificate created: shop:443",
        actor=Actor(ActorType.USER, "anna", "42"),
        project_ids=(project.id,),
        resource=Resource("certificate", "3"),
    )


async def test_tell_masks_secrets(database: Database, clock: Clock) -> None:
    """Targets may carry passwords, which no item shows."""
    data = dict.fromkeys(EVENT_TYPES["endpoint.status_changed"]) | {
        "endpoint_id": 3,
        "target": "https://u:hunter2@shop",
        "previous_status": "up",
        "new_status": "down",
        "error": "refused by https://u:hunter2@shop",
    }
    async with database.write() as tx:
        await tell(tx, ORGANIZATION, [("endpoint.status_changed", data)], clock.now())
    (item,) = await read_all(database, ItemFilter())
    assert (item.draft.title, item.draft.summary, item.draft.severity) == (
        "Endpoint https://u:•••@shop is down",
        "refused by https://u:•••@shop",
        Severity.CRITICAL,
    )
