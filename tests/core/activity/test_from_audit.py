from typing import Any

import pytest

from lumetry_core.access.service.audit import Change, describe_changes, record_audit
from lumetry_core.activity.from_audit import NOUNS, describe_audited
from lumetry_core.activity.model import ACTIONS, Actor, ActorType, Draft, ItemFilter, Resource
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from tests.core.activity.building import ORGANIZATION, read_all

CALLER = Caller(organization_id=ORGANIZATION, kind=CredentialKind.INTERACTIVE, user_id=42, user_name="anna")
ANNA = Actor(ActorType.USER, "anna", "42")


def make(kind: str, action: str, title: str, resource: str, number: str, **changes: Any) -> Draft:
    return Draft(kind=kind, action=action, title=title, actor=ANNA, resource=Resource(resource, number), **changes)


@pytest.mark.parametrize(
    ("action", "entity_id", "before", "after", "expected"),
    [
        ("Rule.Created", 3, None, {"name": "Slow", "status": "Draft"}, make("rule", "created", "Rule created: Slow", "rule", "3")),
        (
            "Rule.Updated",
            3,
            {"name": "Slow", "status": "Active"},
            {"name": "Slow", "status": "Disabled"},
            make("rule", "disabled", "Rule disabled: Slow", "rule", "3"),
        ),
        (
            "Rule.Updated",
            3,
            {"name": "Slow", "status": "Disabled"},
            {"name": "Slow", "status": "Active"},
            make("rule", "changed", "Rule changed: Slow", "rule", "3"),
        ),
        (
            "Project.Updated",
            "p-1",
            {"name": "Shop", "status": "active"},
            {"name": "Shop", "status": "archived"},
            make("project", "archived", "Project archived: Shop", "project", "p-1", project_ids=("p-1",)),
        ),
        (
            "Agent.Updated",
            "a-1",
            {"name": "Bot", "isActive": False},
            {"name": "Bot", "isActive": True},
            make("agent", "enabled", "Agent enabled: Bot", "agent", "a-1", agent_id="a-1"),
        ),
        (
            "Agent.Updated",
            5,
            {"agentKey": "k-5", "hostname": "web-1", "hostId": "srv-1", "enabled": True},
            {"agentKey": "k-5", "hostname": "web-1", "hostId": "srv-1", "enabled": False},
            make("agent", "disabled", "Agent disabled: web-1", "agent", "k-5", agent_id="k-5", machine="srv-1"),
        ),
        (
            "Agent.Updated",
            5,
            {"agentKey": "k-5", "hostname": "web-1", "hostId": "srv-1", "enabled": True, "clusterId": None},
            {"agentKey": "k-5", "hostname": "web-1", "hostId": "srv-1", "enabled": True, "clusterId": 12},
            make("agent", "changed", "Agent changed: web-1", "agent", "k-5", agent_id="k-5", machine="srv-1"),
        ),
        (
            "LogKey.Revoked",
            9,
            {"name": "web", "projectId": "p-1"},
            {"name": "web", "projectId": "p-1", "revokedAt": "now"},
            make("access", "log_key_revoked", "Log key revoked: web", "log_key", "9", project_ids=("p-1",)),
        ),
        (
            "Session.Closed",
            "s-1",
            {"label": "Outage"},
            {"label": "Outage", "projectId": "p-1", "incidentId": 4, "agentId": "a-1"},
            make("session", "closed", "Session closed: Outage", "session", "s-1", project_ids=("p-1",), incident_id=4, agent_id="a-1"),
        ),
        (
            "CertificateMonitor.Deleted",
            2,
            {"hostname": "shop", "port": 443},
            None,
            make("monitor", "deleted", "Certificate deleted: shop:443", "certificate", "2"),
        ),
        (
            "MaintenanceWindow.Created",
            5,
            None,
            {"reason": "Upgrade"},
            make("maintenance", "scheduled", "Maintenance scheduled: Upgrade", "maintenance_window", "5"),
        ),
        ("SilenceRule.Cancelled", 6, {"reason": None}, None, make("maintenance", "silence_ended", "Silence ended", "silence", "6")),
        (
            "LogGroup.Resolved",
            8,
            {"title": "KeyError"},
            {"title": "KeyError", "project_id": "p-1"},
            make("log_group", "resolved", "Log group resolved: KeyError", "log_group", "8", project_ids=("p-1",)),
        ),
        ("Budgets.Updated", 7, {"items": []}, {"items": []}, make("billing", "budgets_changed", "Budgets changed", "budgets", "7")),
        ("Alert.Acknowledged", 1, {"status": "Open"}, {"status": "Acknowledged"}, None),
        ("Auth.LoggedIn", "anna", None, None, None),
        ("Rule.Tested", 3, None, None, None),
    ],
)
def test_describe_audited(
    action: str, entity_id: object, before: dict[str, Any] | None, after: dict[str, Any] | None, expected: Draft
) -> None:
    """An audited action becomes the item of its fact; what the feed does not know becomes none."""
    assert describe_audited(ANNA, action, entity_id, before, after) == expected


def test_describe_every_noun() -> None:
    """Every action that is listed is one of its kind, and can be described without knowing anything of the entity."""
    for entity_type, noun in NOUNS.items():
        for verb, action in noun.actions.items():
            draft = describe_audited(ANNA, f"{entity_type}.{verb}", 1, None, {})
            assert draft is not None
            assert (draft.kind, draft.action) == (noun.kind, action)
            assert action in ACTIONS[noun.kind]


def test_describe_changes_of_the_topology_once() -> None:
    """Of a node that is deleted with its edges the feed tells the node alone."""
    changes = [
        Change("TopologyEdge.Deleted", "TopologyEdge", 1, {"type": "contains"}, None),
        Change("TopologyNode.Deleted", "TopologyNode", 2, {"displayName": "Shop"}, None),
    ]
    (draft,) = describe_changes(CALLER, changes)
    assert draft == make("topology", "changed", "Topology node changed: Shop", "topology_node", "2")


async def test_record_audit_writes_the_item_without_secrets(database: Database, clock: Clock) -> None:
    """The item goes with the audit row; a secret in a name is masked, and a rule by API key has that actor."""
    caller = Caller(organization_id=ORGANIZATION, kind=CredentialKind.API_TOKEN, user_id=42, user_name="anna", credential_id=5)
    async with database.write() as tx:
        await record_audit(tx, caller, "Rule.Created", "Rule", 3, clock.now(), after={"name": "https://u:hunter2@shop"})
    (item,) = await read_all(database, ItemFilter())
    assert (item.draft.title, item.draft.actor) == ("Rule created: https://u:•••@shop", Actor(ActorType.API_KEY, "anna", "5"))
