"""What alerts and events say of a heartbeat (contract monitoring 9.3, 17.2)."""

from collections.abc import Mapping

from lumetry_core.heartbeats.model import AlertType, Heartbeat, Ping
from lumetry_core.runtime.clock import spell_time

Event = tuple[str, Mapping[str, object]]


def describe(heartbeat: Heartbeat, alert_type: AlertType, *, started: bool) -> dict[str, object]:
    """The details of an alert.

    Args:
        started: Whether the job had begun to run when its deadline passed.
    """
    details: dict[str, object] = {"heartbeat_id": heartbeat.id, "name": heartbeat.name}
    if alert_type is AlertType.EXIT_CODE_FAILURE:
        return details | {"exit_code": heartbeat.last_exit_code}
    return details | {
        "deadline": None if heartbeat.deadline is None else spell_time(heartbeat.deadline),
        "last_ping_at": None if heartbeat.last_ping_time is None else spell_time(heartbeat.last_ping_time),
        "started": started,
    }


def name_alert(heartbeat: Heartbeat, alert_type: AlertType) -> str:
    """The name of an alert."""
    return f"{'Job failed' if alert_type is AlertType.EXIT_CODE_FAILURE else 'Heartbeat missed'}: {heartbeat.name}"


def explain(heartbeat: Heartbeat, alert_type: AlertType, *, started: bool) -> str:
    """The message of an alert. `started` as in `describe`."""
    if alert_type is AlertType.EXIT_CODE_FAILURE:
        code = heartbeat.last_exit_code
        return f"{heartbeat.name} failed" + ("" if code is None else f" with exit code {code}")
    deadline = "its deadline" if heartbeat.deadline is None else spell_time(heartbeat.deadline)
    if started:
        return f"{heartbeat.name} started but did not finish by {deadline}"
    return f"No ping of {heartbeat.name} came by {deadline}"


def tell_ping(heartbeat: Heartbeat, ping: Ping) -> list[Event]:
    """A ping under both of its names, with what the heartbeat is after it."""
    data = {
        "heartbeat_id": heartbeat.id,
        "name": heartbeat.name,
        "ping_type": ping.kind.value,
        "exit_code": ping.exit_code,
        "status": heartbeat.status.value,
    }
    return [("heartbeat.pinged", data), ("heartbeat.ping_received", data)]


def tell_change(before: Heartbeat, after: Heartbeat) -> list[Event]:
    """A change of status, if there is one."""
    if before.status is after.status:
        return []
    return [("heartbeat.status_changed", {"heartbeat_id": after.id, "old_status": before.status.value, "new_status": after.status.value})]


def tell_alert(heartbeat_id: int, name: str, alert_type: str, message: str) -> Event:
    """An alert, of which the stream tells the message."""
    return "heartbeat.alert", {"heartbeat_id": heartbeat_id, "name": name, "alert_type": alert_type, "details": message}


def tell_recovery(heartbeat: Heartbeat) -> Event:
    """All is right again."""
    return "heartbeat.recovery", {"heartbeat_id": heartbeat.id, "name": heartbeat.name}


def tell_definition(event_type: str, heartbeat: Heartbeat) -> Event:
    """A heartbeat was made or changed."""
    return event_type, {
        "heartbeat_id": heartbeat.id,
        "name": heartbeat.name,
        "uuid": heartbeat.uuid,
        "status": heartbeat.status.value,
    }
