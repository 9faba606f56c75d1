"""What the audit log says that the activity feed says too, in the feed's words. Pure.

Whoever audits an action need not record an item: it is made here, from the same facts. What is not listed has no item.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lumetry_core.activity.model import Actor, Draft, Resource

Values = Mapping[str, Any]
"""An entity as the audit log has it."""


@dataclass(frozen=True, slots=True)
class Noun:
    """A type of entity: its kind and type of resource in the feed, what people call it, and what happens to it, by verb of the audit."""

    kind: str
    resource: str
    title: str
    actions: Mapping[str, str]
    name_of: Callable[[Values], object] = lambda values: values.get("name")
    refine: Callable[[Values, Values], str | None] = lambda _before, _after: None
    """Another action than the verb's, from what changed."""


DEFINED = {"Created": "created", "Updated": "changed", "Deleted": "deleted"}
KEY = {"Created": "api_key_created", "Revoked": "api_key_revoked"}
SILENCED = {"Created": "silence_created", "Deleted": "silence_ended", "Cancelled": "silence_ended"}
CHANGED = {"Created": "changed", "Updated": "changed", "Deleted": "changed"}
MEMBER = {"Created": "member_changed", "Updated": "member_changed", "Deactivated": "member_changed"}
STATES = {"Enrolled": "enrolled", "Online": "online", "Offline": "offline", "Revoked": "revoked"}


def switched_agent(before: Values, after: Values) -> str | None:
    """The action of an agent that was enabled or disabled; host agents and other agents say it in words of their own."""
    return TURN_AGENT(before, after) or TURN_HOST_AGENT(before, after)


def name_of_agent(values: Values) -> object:
    """What agents go by, host agents by their host."""
    return values.get("name") or values.get("hostname")


def switched(key: str, is_on: Callable[[object], bool], on: str | None, off: str) -> Callable[[Values, Values], str | None]:
    """The action of a switch that was turned."""

    def refine(before: Values, after: Values) -> str | None:
        was, now_is = is_on(before.get(key)), is_on(after.get(key))
        if was is now_is:
            return None
        return on if now_is else off

    return refine


TURN_AGENT, TURN_HOST_AGENT = (switched(key, bool, "enabled", "disabled") for key in ("isActive", "enabled"))


def reason_of(values: Values) -> object:
    """What windows and silences go by."""
    return values.get("reason")


def name_of_node(values: Values) -> object:
    """What nodes go by."""
    return values.get("displayName") or values.get("name")


NOUNS: Mapping[str, Noun] = {
    "Endpoint": Noun("monitor", "endpoint", "Endpoint", DEFINED, lambda values: values.get("name") or values.get("target")),
    "Heartbeat": Noun("monitor", "heartbeat", "Heartbeat", {**DEFINED, "Paused": "paused", "Resumed": "resumed"}),
    "CertificateMonitor": Noun(
        "monitor", "certificate", "Certificate", DEFINED, lambda values: f"{values.get('hostname')}:{values.get('port')}"
    ),
    "Container": Noun("monitor", "container", "Container", {"Deleted": "deleted"}),
    "MaintenanceWindow": Noun(
        "maintenance", "maintenance_window", "Maintenance", {"Created": "scheduled", "Deleted": "cancelled"}, reason_of
    ),
    "Silence": Noun("maintenance", "silence", "Silence", SILENCED, reason_of),
    "SilenceRule": Noun("maintenance", "silence", "Silence", SILENCED, reason_of),
    "Rule": Noun("rule", "rule", "Rule", DEFINED, refine=switched("status", lambda status: status == "Active", None, "disabled")),
    "LogAlertRule": Noun("rule", "log_rule", "Log rule", DEFINED, refine=switched("enabled", bool, None, "disabled")),
    "TopologyImport": Noun("topology", "topology_import", "Topology", {"Applied": "imported"}, lambda values: values.get("source")),
    "TopologyNode": Noun(
        "topology", "topology_node", "Topology node", CHANGED, lambda values: values.get("displayName") or values.get("name")
    ),
    "TopologyEdge": Noun("topology", "topology_edge", "Topology edge", CHANGED, lambda values: values.get("type")),
    "Collector": Noun("collector", "collector", "Collector", STATES),
    "Agent": Noun("agent", "agent", "Agent", {**STATES, **DEFINED, "Revoked": "deleted"}, name_of_agent, switched_agent),
    "Session": Noun("session", "session", "Session", {"Created": "created", "Closed": "closed"}, lambda values: values.get("label")),
    "File": Noun("file", "file", "File", {"Uploaded": "uploaded", "Deleted": "deleted"}),
    "Project": Noun(
        "project",
        "project",
        "Project",
        {**DEFINED, "ResourcesReplaced": "changed"},
        refine=switched("status", lambda status: status == "active", None, "archived"),
    ),
    "WorkspaceKey": Noun("access", "api_key", "API key", KEY),
    "ApiToken": Noun("access", "api_token", "API token", KEY),
    "LogKey": Noun("access", "log_key", "Log key", {"Created": "log_key_created", "Revoked": "log_key_revoked"}),
    "User": Noun("access", "user", "Member", MEMBER, lambda values: values.get("displayName") or values.get("username")),
    "Budgets": Noun("billing", "budgets", "Budgets", {"Updated": "budgets_changed"}),
    "LogGroup": Noun(
        "log_group",
        "log_group",
        "Log group",
        {"Resolved": "resolved", "Ignored": "ignored", "Reopened": "reopened"},
        lambda values: values.get("title"),
    ),
    "UpdatePin": Noun(
        "update",
        "container",
        "Update",
        {"Created": "pinned", "Updated": "pinned", "Deleted": "unpinned"},
        lambda values: values.get("container_name"),
    ),
}
"""By entity type of the audit log."""
VERB_OF_TITLE = {
    "api_key_created": "created",
    "api_key_revoked": "revoked",
    "log_key_created": "created",
    "log_key_revoked": "revoked",
    "member_changed": "changed",
    "budgets_changed": "changed",
    "silence_created": "created",
    "silence_ended": "ended",
}
"""What titles say instead of the action."""


def describe_audited(actor: Actor, action: str, entity_id: object, before: Values | None, after: Values | None) -> Draft | None:
    """The item of an audited action `{EntityType}.{Verb}`; None when there is none."""
    entity_type, _, verb = action.partition(".")
    noun = NOUNS.get(entity_type)
    done = None if noun is None else noun.actions.get(verb)
    if noun is None or done is None:
        return None
    values = after or before or {}
    if before is not None and after is not None and verb == "Updated":
        done = noun.refine(before, after) or done
    name, said = noun.name_of(values), VERB_OF_TITLE.get(done, done)
    identity = text_of(values, "agentKey") or str(entity_id)  # of a host agent, whose audited number nobody else knows
    return Draft(
        kind=noun.kind,
        action=done,
        title=f"{noun.title} {said}: {name}" if name else f"{noun.title} {said}",
        actor=actor,
        agent_id=identity if noun.kind == "agent" else text_of(values, "agentId"),
        project_ids=projects_of(noun, entity_id, values),
        incident_id=number_of(values, "incidentId"),
        machine=text_of(values, "hostId") if noun.kind == "agent" else None,
        resource=Resource(noun.resource, identity),
    )


def projects_of(noun: Noun, entity_id: object, values: Values) -> tuple[str, ...]:
    """The projects that an entity itself names; `projectIds`, where it has them, are all that it belongs to."""
    several = values.get("projectIds")
    if isinstance(several, list):
        return tuple(several)
    found = str(entity_id) if noun.kind == "project" else text_of(values, "projectId") or text_of(values, "project_id")
    return (found,) if found else ()


def text_of(values: Values, key: str) -> str | None:
    """A text, if it is one."""
    value = values.get(key)
    return value if isinstance(value, str) and value else None


def number_of(values: Values, key: str) -> int | None:
    """A number, if it is one."""
    value = values.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
