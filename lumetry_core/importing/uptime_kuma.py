"""Uptime Kuma's JSON backup as a plan."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from lumetry_core.importing.plan import EndpointPlan, ExportError, HeartbeatPlan, Pace, Plan
from lumetry_core.importing.uptime_kuma_channels import plan_channel
from lumetry_core.importing.values import (
    MAX_BEAT,
    MAX_INTERVAL,
    MAX_REDIRECTS,
    MAX_THRESHOLD,
    METHODS,
    MIN_BEAT,
    MIN_INTERVAL,
    basic_credentials,
    fit,
    has_header,
    host_and_port,
    is_set,
    number_of,
    records_of,
    spell_statuses,
    split_url,
    text_of,
    without_credentials,
)

PRODUCT = "Uptime Kuma"
DEFAULT_INTERVAL = 60
DEFAULT_TIMEOUT = 10
WEB = {
    "http": "",
    "keyword": "the answer is not searched for the keyword: its status alone counts",
    "json-query": "the answer's JSON is not looked at: its status alone counts",
}
"""Types that ask for a page, and what of them is lost."""
REACHABLE = {"port": 0, "smtp": 25, "mqtt": 1883, "postgres": 5432, "mysql": 3306, "mongodb": 27017, "redis": 6379, "sqlserver": 1433}
"""Types that connect to a port, and the usual one."""
REASONS = {
    "ping": "ICMP pings are not sent; a check of an open TCP port tells the same",
    "tailscale-ping": "Tailscale's own pings are not sent",
    "dns": "DNS records are not queried",
    "docker": "containers need no monitor: they are watched by themselves once the container runtime is connected",
    "group": "groups do not exist; its members are imported by themselves",
    "real-browser": "no browser is run; a check of the page's address would see its status",
    "grpc-keyword": "gRPC calls are not made",
    "manual": "states are not set by hand; a component of the status page can be overridden",
}


def read_backup(content: bytes) -> Plan:
    """The plan of a backup.

    Raises:
        ExportError: It is none.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ExportError("The file is not JSON; it should be the backup that Uptime Kuma's settings export.") from error
    if not isinstance(document, dict) or not isinstance(document.get("monitorList"), list):
        raise ExportError("The file has no `monitorList`; it should be the backup that Uptime Kuma's settings export.")
    plan = Plan(f"{PRODUCT} {text_of(document.get('version'))}".strip())
    for notification in records_of(document.get("notificationList")):
        plan_channel(plan, notification)
    monitors = records_of(document["monitorList"])
    for monitor in monitors:
        plan_monitor(plan, monitor)
    if any(monitor.get("notificationIDList") for monitor in monitors) and records_of(document.get("notificationList")):
        plan.remarks.append("A channel is told of every alert, not of chosen monitors; routing rules narrow it to sources and severities.")
    if any(monitor.get("tags") for monitor in monitors):
        plan.remarks.append("Tags are not carried over.")
    if records_of(document.get("proxyList")):
        plan.remarks.append("Proxies are not carried over; LUMETRY_HTTP_PROXY sets one for all checks.")
    return plan


def plan_monitor(plan: Plan, monitor: Mapping[str, Any]) -> None:
    """Plans a monitor, or says why there is none."""
    monitor_type = text_of(monitor.get("type"))
    name = text_of(monitor.get("name"))
    title = f"{name or 'a monitor without name'} ({monitor_type or 'no type'})"
    make = MAKERS.get(monitor_type)
    if make is None:
        plan.leave(title, REASONS.get(monitor_type, "there is no monitor of this type"))
    elif not name:
        plan.leave(title, "it has no name")
    elif not is_set(monitor.get("active"), default=True):
        plan.leave(title, "it is paused, and monitors that are imported watch at once")
    elif is_set(monitor.get("upsideDown")):
        plan.leave(title, "it is upside down: that something cannot be reached is not watched for")
    else:
        remarks: list[str] = []
        problem = make(plan, monitor, name[:255], remarks)
        if problem:
            plan.leave(title, problem)


def plan_page(plan: Plan, monitor: Mapping[str, Any], name: str, remarks: list[str]) -> str:
    """Plans a check of a page; answers what keeps it from being one."""
    parts = split_url(text_of(monitor.get("url")))
    if parts is None or parts.scheme.lower() not in ("http", "https"):
        return "its address is not one of http or https"
    method = text_of(monitor.get("method")).upper() or "GET"
    if method not in METHODS:
        return f"requests of the method {method} are not made"
    statuses = spell_statuses(read_codes(monitor.get("accepted_statuscodes")))
    if not statuses:
        return "its accepted status codes cannot be expressed"
    lost = WEB[text_of(monitor.get("type"))]
    remarks += [lost] if lost else []
    if text_of(monitor.get("body")):
        remarks.append("the request has no body")
    redirects = number_of(monitor.get("maxredirects"))
    headers = read_headers(monitor, parts.username, parts.password, remarks)
    plan.add(
        EndpointPlan(
            name=name,
            endpoint_type="http",
            target=without_credentials(parts),
            pace=pace_of(monitor, remarks),
            method=method,
            expected_status=statuses,
            tls_verify=not is_set(monitor.get("ignoreTls")),
            headers=headers,
            max_redirects=fit(10 if redirects is None else redirects, 0, MAX_REDIRECTS, "the number of redirects", remarks),
            remarks=tuple(remarks),
        )
    )
    return ""


def plan_port(plan: Plan, monitor: Mapping[str, Any], name: str, remarks: list[str]) -> str:
    """Plans a check of a port; answers what keeps it from being one."""
    monitor_type = text_of(monitor.get("type"))
    hostname, port = text_of(monitor.get("hostname")), number_of(monitor.get("port"))
    parts = split_url(text_of(monitor.get("databaseConnectionString")))
    if parts is not None:
        hostname, port = parts.hostname or "", parts.port or REACHABLE[monitor_type]
    elif "://" in hostname and (found := split_url(hostname)):
        hostname, port = found.hostname or "", port or found.port
    port = port or REACHABLE[monitor_type]
    if not hostname or not 0 < port < 65_536:
        return "its host and port cannot be told"
    if monitor_type != "port":
        remarks.append("only whether a connection can be made is checked")
    plan.add(
        EndpointPlan(
            name=name, endpoint_type="tcp", target=host_and_port(hostname, port), pace=pace_of(monitor, remarks), remarks=tuple(remarks)
        )
    )
    return ""


def plan_push(plan: Plan, monitor: Mapping[str, Any], name: str, remarks: list[str]) -> str:
    """Plans a heartbeat; nothing keeps it from being one."""
    interval = fit(number_of(monitor.get("interval")) or DEFAULT_INTERVAL, MIN_BEAT, MAX_BEAT, "the interval in seconds", remarks)
    wait = number_of(monitor.get("retryInterval")) or interval
    grace = max(number_of(monitor.get("maxretries")) or 0, 0) * wait
    remarks.append("the job has to call the new address")
    plan.add(HeartbeatPlan(name=name, interval=interval, grace=min(grace, interval), remarks=tuple(remarks)))
    return ""


MAKERS: Mapping[str, Callable[[Plan, Mapping[str, Any], str, list[str]], str]] = {
    **dict.fromkeys(WEB, plan_page),
    **dict.fromkeys(REACHABLE, plan_port),
    "push": plan_push,
}


def pace_of(monitor: Mapping[str, Any], remarks: list[str]) -> Pace:
    """How often a check is made, how long it may take and when it alerts; it recovers at once."""
    interval = fit(number_of(monitor.get("interval")) or DEFAULT_INTERVAL, MIN_INTERVAL, MAX_INTERVAL, "the interval in seconds", remarks)
    timeout = number_of(monitor.get("timeout")) or DEFAULT_TIMEOUT
    retries = max(number_of(monitor.get("maxretries")) or 0, 0)
    if (number_of(monitor.get("resendInterval")) or 0) > 0:
        remarks.append("alerts are not repeated while they last")
    failures = fit(retries + 1, 1, MAX_THRESHOLD, "the number of failures", remarks)
    return Pace(interval, min(max(timeout, 1), interval), failures, recovery_threshold=1)


def read_codes(accepted: object) -> set[int]:
    """The status codes of ranges such as `200-299`; the usual ones when there are none."""
    codes: set[int] = set()
    for word in accepted if isinstance(accepted, list) and accepted else ["200-299"]:
        first, _, last = text_of(word).partition("-")
        start, end = number_of(first), number_of(last or first)
        if start is not None and end is not None:
            codes.update(range(max(start, 100), min(end, 599) + 1))
    return codes


def read_headers(monitor: Mapping[str, Any], user: str | None, password: str | None, remarks: list[str]) -> dict[str, str]:
    """The headers of a monitor, with its credentials as one of them."""
    try:
        given = json.loads(text_of(monitor.get("headers")) or "{}")
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        remarks.append("its headers cannot be read and are left out")
        given = {}
    headers = {str(key): text_of(value) for key, value in given.items()}
    way = text_of(monitor.get("authMethod"))
    if way in ("", "basic"):
        user = text_of(monitor.get("basic_auth_user")) or user
        password = text_of(monitor.get("basic_auth_pass")) or password
    else:
        remarks.append(f"it does not log in by {way}")
    if user and not has_header(headers, "Authorization"):
        headers["Authorization"] = basic_credentials(user, password or "")
    if number_of(monitor.get("proxyId")):
        remarks.append("no proxy is used for it alone")
    return headers
