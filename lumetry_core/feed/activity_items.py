"""What told events say that the activity feed says too, in the feed's words. Pure.

Alerts are not here, because who tells them records them as well; what people did is audited, and one item comes of both.
"""

from collections.abc import Callable, Mapping
from typing import Any

from lumetry_core.activity.model import Draft, Resource, Severity

Data = Mapping[str, Any]
DOWN = "down"
NOT_VALID = frozenset({"expired", "error"})
"""Statuses of certificates that count as down."""
STOPPED = frozenset({"exited", "restarting", "dead"})
"""States of containers that count as down."""
WITH_EVERYTHING_WELL = frozenset({"running", "completed"})


def name_endpoint(data: Data) -> str:
    """What an endpoint goes by."""
    return str(data.get("name") or data.get("target") or data.get("container_name") or data.get("endpoint_id"))


def name_certificate(data: Data) -> str:
    """What a certificate goes by."""
    return f"{data['hostname']}:{data['port']}" if data.get("port") else str(data["hostname"])


def describe_monitor(kind: str, number: object, name: str, action: str, summary: str | None = None) -> Draft:
    """The item of a monitor."""
    is_state = action == DOWN
    return Draft(
        kind="monitor",
        action=action,
        title=f"{kind.capitalize()} {name} is down" if is_state else f"{kind.capitalize()} {action}: {name}",
        summary=summary,
        severity=Severity.CRITICAL if is_state else Severity.INFO if action == "recovered" else None,
        resource=Resource(kind, str(number)),
    )


def endpoint(action: str) -> Callable[[Data], Draft | None]:
    """Makes items of endpoints."""
    return lambda data: describe_monitor("endpoint", data.get("endpoint_id", data.get("id")), name_endpoint(data), action)


def heartbeat(action: str) -> Callable[[Data], Draft | None]:
    """Makes items of heartbeats."""
    return lambda data: describe_monitor(
        "heartbeat", data["heartbeat_id"], str(data.get("name") or data["heartbeat_id"]), action, data.get("details")
    )


def certificate(action: str) -> Callable[[Data], Draft | None]:
    """Makes items of certificates."""
    return lambda data: describe_monitor("certificate", data["monitor_id"], name_certificate(data), action)


def container(action: str) -> Callable[[Data], Draft | None]:
    """Makes items of containers."""
    return lambda data: describe_monitor("container", data["id"], str(data["name"]), action)


def endpoint_status(data: Data) -> Draft | None:
    """An endpoint that went down or recovered."""
    if data["new_status"] == DOWN:
        return describe_monitor("endpoint", data["endpoint_id"], name_endpoint(data), DOWN, data["error"])
    return endpoint("recovered")(data) if data["previous_status"] == DOWN and data["new_status"] == "up" else None


def heartbeat_status(data: Data) -> Draft | None:
    """A heartbeat that was paused or resumed; alerts and recoveries tell the rest."""
    if data["new_status"] == "paused":
        return heartbeat("paused")(data)
    return heartbeat("resumed")(data) if data["old_status"] == "paused" else None


def certificate_status(data: Data) -> Draft | None:
    """A certificate that became unusable or usable again."""
    was, now_is = data["previous_status"] in NOT_VALID, data["new_status"] in NOT_VALID
    if was is now_is:
        return None
    if now_is:
        return describe_monitor("certificate", data["monitor_id"], name_certificate(data), DOWN, f"Its status is {data['new_status']}")
    return certificate("recovered")(data) if data["new_status"] != "unknown" else None


def container_state(data: Data) -> Draft | None:
    """A container that stopped, runs again, was paused or goes on."""
    before, after = data["previous_state"], data["state"]
    if after == "paused":
        return container("paused")(data)
    if before == "paused" and after == "running":
        return container("resumed")(data)
    if after in STOPPED and before not in STOPPED:
        code = data["exit_code"]
        summary = f"It is {after}" + (f", exit code {code}" if code is not None else "")
        return describe_monitor("container", data["id"], str(data["name"]), DOWN, summary)
    return container("recovered")(data) if before in STOPPED and after in WITH_EVERYTHING_WELL else None


def detected(data: Data) -> Draft:
    """An update that is there."""
    return Draft(
        kind="update",
        action="detected",
        title=f"Update for {data['container_name']}: {data['current_tag']} → {data['latest_tag']}",
        summary=f"{data['image']}, {data['update_type']}",
        severity=Severity.INFO,
        resource=Resource("container", str(data["container_id"])),
    )


def scanned(data: Data) -> Draft:
    """A search for updates that is over."""
    return Draft(
        kind="update",
        action="scan_completed",
        title=f"Update scan completed: {data['updates_found']} updates for {data['containers_scanned']} containers",
        resource=Resource("update_scan", str(data["scan_id"])),
    )


ITEMS: Mapping[str, Callable[[Data], Draft | None]] = {
    "endpoint.discovered": endpoint("created"),
    "endpoint.updated": endpoint("changed"),
    "endpoint.removed": endpoint("deleted"),
    "endpoint.status_changed": endpoint_status,
    "heartbeat.created": heartbeat("created"),
    "heartbeat.updated": heartbeat("changed"),
    "heartbeat.deleted": heartbeat("deleted"),
    "heartbeat.status_changed": heartbeat_status,
    "heartbeat.alert": heartbeat(DOWN),
    "heartbeat.recovery": heartbeat("recovered"),
    "certificate.created": certificate("created"),
    "certificate.updated": certificate("changed"),
    "certificate.deleted": certificate("deleted"),
    "certificate.status_changed": certificate_status,
    "container.discovered": container("created"),
    "container.archived": container("deleted"),
    "container.state_changed": container_state,
    "update.detected": detected,
    "update.scan_completed": scanned,
}
"""By type of event; the others have no item."""


def describe_event(event_type: str, data: Data) -> Draft | None:
    """The item of an event; None when it has none."""
    make = ITEMS.get(event_type)
    return None if make is None else make(data)
