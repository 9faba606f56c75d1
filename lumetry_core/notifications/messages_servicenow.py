"""Messages as incidents of ServiceNow (Table API). An alert's incident is found by its `correlation_id`."""

import re
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec

from lumetry_core.notifications.definitions import USER_NAME
from lumetry_core.notifications.messages import Message
from lumetry_core.notifications.model import Integration, Secrets
from lumetry_core.runtime.outbound import OutboundRequest

TABLE_PATH = "/api/now/table/incident"
RESOLVED = "6"
FINISHED = frozenset({RESOLVED, "7", "8"})
"""States in which nothing is left to do: resolved, closed, canceled."""
URGENCY = {"Warning": "2", "Critical": "1"}
CLOSE_CODE = "Solved (Permanently)"
SYS_ID = re.compile(r"[0-9A-Za-z]{1,64}")
MAX_SHORT_DESCRIPTION = 160
OPTIONAL_FIELDS = {"assignmentGroup": "assignment_group", "callerId": "caller_id", "category": "category"}
"""Settings that an incident carries when the integration has them."""


class Found(msgspec.Struct, frozen=True):
    """An incident as the table lists it."""

    sys_id: str
    state: str = ""


class Listed(msgspec.Struct, frozen=True):
    """The incidents of an answer."""

    result: list[Found]


def build(integration: Integration, secrets: Secrets, message: Message, method: str, suffix: str, fields: object = None) -> OutboundRequest:
    """A request to the table of incidents."""
    pair = f"{integration.config.get(USER_NAME, '')}:{secrets.secret or ''}"
    headers = {"Accept": "application/json", "Authorization": f"Basic {b64encode(pair.encode()).decode()}", "Idempotency-Key": message.key}
    body = b"" if fields is None else msgspec.json.encode(fields)
    if body:
        headers["Content-Type"] = "application/json"
    return OutboundRequest(method, (integration.endpoint_url or "").rstrip("/") + TABLE_PATH + suffix, headers, body)


def render_search(integration: Integration, secrets: Secrets, message: Message) -> OutboundRequest:
    """Asks for the incidents of an alert."""
    query = {"sysparm_query": f"correlation_id={message.correlation}", "sysparm_fields": "sys_id,state", "sysparm_limit": "10"}
    return build(integration, secrets, message, "GET", f"?{urlencode(query)}")


def render_create(integration: Integration, secrets: Secrets, message: Message) -> OutboundRequest:
    """Creates the incident of an alert."""
    config: Mapping[str, str] = integration.config
    urgency = URGENCY.get(message.severity, "3")
    fields = {
        "correlation_id": message.correlation,
        "correlation_display": "Lumetry",
        "short_description": message.title[:MAX_SHORT_DESCRIPTION],
        "description": "\n".join(f"{name}: {value}" for name, value in message.facts),
        "urgency": urgency,
        "impact": urgency,
    }
    fields |= {field: config[key] for key, field in OPTIONAL_FIELDS.items() if config.get(key)}
    return build(integration, secrets, message, "POST", "", fields)


def render_escalate(integration: Integration, secrets: Secrets, message: Message, found: Found) -> OutboundRequest:
    """Raises an incident."""
    urgency = URGENCY["Critical"]
    return build(
        integration, secrets, message, "PATCH", f"/{found.sys_id}", {"urgency": urgency, "impact": urgency, "work_notes": message.title}
    )


def render_resolve(integration: Integration, secrets: Secrets, message: Message, found: Found) -> OutboundRequest:
    """Resolves an incident."""
    code = integration.config.get("closeCode") or CLOSE_CODE
    fields = {"state": RESOLVED, "close_code": code, "close_notes": message.title}
    return build(integration, secrets, message, "PATCH", f"/{found.sys_id}", fields)


def read_found(body: bytes) -> list[Found] | None:
    """The incidents of an answer; None when it is none of the table."""
    try:
        listed = msgspec.json.decode(body, type=Listed)
    except (msgspec.MsgspecError, RecursionError):
        return None
    return listed.result if all(SYS_ID.fullmatch(found.sys_id) for found in listed.result) else None
