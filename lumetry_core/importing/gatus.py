"""Gatus' configuration as a plan."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import yaml

from lumetry_core.importing.gatus_channels import plan_channels
from lumetry_core.importing.gatus_conditions import Conditions, read_conditions
from lumetry_core.importing.plan import CertificatePlan, EndpointPlan, ExportError, HeartbeatPlan, Pace, Plan
from lumetry_core.importing.values import (
    MAX_BEAT,
    MAX_INTERVAL,
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
    record_of,
    records_of,
    seconds_of,
    spell_statuses,
    split_url,
    text_of,
    thresholds_from,
    without_credentials,
)

PRODUCT = "Gatus"
INTERVAL, TIMEOUT = 60.0, 10.0
FAILURES, SUCCESSES = 3, 2
REDIRECTS = 10
PORTS = {"tcp": 0, "tls": 443, "starttls": 587, "ssh": 22}
"""Schemes of addresses to which a connection is made, and the usual port."""
REASONS = {
    "icmp": "ICMP pings are not sent; a check of an open TCP port tells the same",
    "udp": "UDP is not checked",
    "sctp": "SCTP is not checked",
    "ws": "WebSockets are not checked",
    "wss": "WebSockets are not checked",
    "grpc": "gRPC calls are not made",
    "grpcs": "gRPC calls are not made",
}
VARIABLE = re.compile(r"\$\$|\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
"""As Gatus replaces them before it reads the file; two dollars are one."""


class PlainLoader(yaml.SafeLoader):  # type: ignore[misc]  # it comes without types
    """Reads scalars as texts, as Go does where a text is due: a name may be `off`, and `12:30` is no number."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag in ("tag:yaml.org,2002:merge", "tag:yaml.org,2002:null")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def read_configuration(content: bytes, environ: Mapping[str, str]) -> Plan:
    """The plan of a configuration file.

    Args:
        environ: Values of variables that the file refers to.

    Raises:
        ExportError: It is none.
    """
    try:
        text, missing = replace_variables(content.decode(), environ)
        document = yaml.load(text, PlainLoader)  # noqa: S506 -- a safe one
    except UnicodeDecodeError as error:
        raise ExportError("The file is not text in UTF-8.") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ExportError("The file is not YAML; it should be the configuration of Gatus.") from error
    if not isinstance(document, dict) or not any(
        isinstance(document.get(name), list) for name in ("endpoints", "external-endpoints", "services")
    ):
        raise ExportError("The file has no `endpoints`; it should be the configuration of Gatus.")
    plan = Plan(PRODUCT)
    if missing:
        plan.remarks.append(
            f"Variables that are not set here: {', '.join(missing)}. What refers to them is left out; set them and import again."
        )
    alerting = record_of(document.get("alerting"))
    plan_channels(plan, alerting)
    for endpoint in records_of(document.get("endpoints") or document.get("services")):
        plan_endpoint(plan, endpoint, alerting)
    for endpoint in records_of(document.get("external-endpoints")):
        plan_external(plan, endpoint)
    for suite in records_of(document.get("suites")):
        plan.leave(f"{text_of(suite.get('name')) or 'a suite without name'} (suite)", "checks that follow each other are not made")
    if document.get("maintenance"):
        plan.remarks.append("The maintenance window is not carried over; maintenance windows are made in the console.")
    return plan


def replace_variables(text: str, environ: Mapping[str, str]) -> tuple[str, list[str]]:
    """The text with the values of its variables, and those that are not set, which stay as they are."""
    missing: dict[str, None] = {}

    def value_of(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if not name:
            return "$"
        if name not in environ:
            missing[name] = None
            return f"${{{name}}}"
        return environ[name]

    return VARIABLE.sub(value_of, text), list(missing)


def plan_endpoint(plan: Plan, endpoint: Mapping[str, Any], alerting: Mapping[str, Any]) -> None:
    """Plans the check of an endpoint and of its certificate, or says why there is none."""
    name, url = name_of(endpoint), text_of(endpoint.get("url"))
    parts = split_url(url)
    scheme = url.partition("://")[0].lower()
    title = f"{name or 'an endpoint without name'} ({'dns' if endpoint.get('dns') else scheme or 'no address'})"
    remarks: list[str] = []
    if not name:
        plan.leave(title, "it has no name")
    elif not is_set(endpoint.get("enabled"), default=True):
        plan.leave(title, "it is disabled, and monitors that are imported watch at once")
    elif endpoint.get("dns"):
        plan.leave(title, "DNS records are not queried")
    elif scheme in REASONS:
        plan.leave(title, REASONS[scheme])
    elif "${" in url or parts is None or scheme not in (*PORTS, "http", "https"):
        plan.leave(title, "its address is not one that is checked")
    elif problem := plan_check(plan, endpoint, name, scheme, pace_of(endpoint, alerting, remarks), remarks):
        plan.leave(title, problem)


def plan_check(plan: Plan, endpoint: Mapping[str, Any], name: str, scheme: str, pace: Pace, remarks: list[str]) -> str:
    """Plans a check; answers what keeps it from being one."""
    parts = split_url(text_of(endpoint.get("url")))
    conditions = read_conditions(endpoint.get("conditions"))
    is_page = scheme in ("http", "https")
    if parts is None or parts.hostname is None:
        return "its address cannot be read"
    port = parts.port or PORTS.get(scheme, 443)
    remarks += [f"`{condition}` is not looked at" for condition in conditions.lost]
    if is_page:
        problem = plan_page(plan, endpoint, name, conditions, pace, remarks)
        if problem:
            return problem
    elif not port:
        return "its address has no port"
    else:
        if scheme != "tcp":
            remarks.append("only whether a connection can be made is checked")
        target = host_and_port(parts.hostname, port)
        plan.add(EndpointPlan(name=name, endpoint_type="tcp", target=target, pace=pace, remarks=tuple(remarks)))
    if scheme in ("https", "tls") and conditions.certificate_days is not None:
        thresholds = thresholds_from(conditions.certificate_days)
        plan.add(CertificatePlan(hostname=parts.hostname, port=port, warning_thresholds=thresholds))
    return ""


def plan_page(plan: Plan, endpoint: Mapping[str, Any], name: str, conditions: Conditions, pace: Pace, remarks: list[str]) -> str:
    """Plans the check of a page; answers what keeps it from being one."""
    parts = split_url(text_of(endpoint.get("url")))
    method = text_of(endpoint.get("method")).upper() or "GET"
    statuses = spell_statuses(conditions.statuses)
    if parts is None or method not in METHODS:
        return f"requests of the method {method} are not made"
    if not statuses:
        return "the status codes of its conditions cannot be expressed"
    if text_of(endpoint.get("body")) or is_set(endpoint.get("graphql")):
        remarks.append("the request has no body")
    client = record_of(endpoint.get("client"))
    remarks += [f"`client.{key}` is not used" for key in client if key not in ("timeout", "insecure", "ignore-redirect")]
    headers = {str(key): text_of(value) for key, value in record_of(endpoint.get("headers")).items()}
    if any("${" in value for value in headers.values()):
        return "its headers refer to a variable that is not set"
    if parts.username and not has_header(headers, "Authorization"):
        headers["Authorization"] = basic_credentials(parts.username, parts.password or "")
    plan.add(
        EndpointPlan(
            name=name,
            endpoint_type="http",
            target=without_credentials(parts),
            pace=pace,
            method=method,
            expected_status=statuses,
            tls_verify=not is_set(client.get("insecure")),
            headers=headers,
            max_redirects=0 if is_set(client.get("ignore-redirect")) else REDIRECTS,
            remarks=tuple(remarks),
        )
    )
    return ""


def plan_external(plan: Plan, endpoint: Mapping[str, Any]) -> None:
    """Plans the heartbeat of an endpoint whose results are pushed, or says why there is none."""
    name = name_of(endpoint)
    title = f"{name or 'an endpoint without name'} (external)"
    interval = seconds_of(text_of(record_of(endpoint.get("heartbeat")).get("interval")))
    remarks: list[str] = []
    if not name:
        plan.leave(title, "it has no name")
    elif not is_set(endpoint.get("enabled"), default=True):
        plan.leave(title, "it is disabled")
    elif not interval:
        plan.leave(title, "it has no `heartbeat.interval`, so nobody knows when a result is missing")
    else:
        fitted = fit(interval, MIN_BEAT, MAX_BEAT, "the interval in seconds", remarks)
        remarks.append("the job has to call the new address, and its `/fail` where it pushed `success=false`")
        plan.add(HeartbeatPlan(name=name, interval=fitted, grace=0, remarks=tuple(remarks)))


def name_of(endpoint: Mapping[str, Any]) -> str:
    """What an endpoint is called: with its group, because names need not differ between groups."""
    name, group = text_of(endpoint.get("name")), text_of(endpoint.get("group"))
    return f"{group}/{name}"[:255] if name and group else name[:255]


def pace_of(endpoint: Mapping[str, Any], alerting: Mapping[str, Any], remarks: list[str]) -> Pace:
    """How often a check is made, how long it may take, and after how many results it alerts and recovers."""
    given = text_of(endpoint.get("interval"))
    interval = fit(seconds_of(given) or INTERVAL, MIN_INTERVAL, MAX_INTERVAL, "the interval in seconds", remarks)
    timeout = seconds_of(text_of(record_of(endpoint.get("client")).get("timeout"))) or TIMEOUT
    alert = next(iter(records_of(endpoint.get("alerts"))), {})
    usual = record_of(record_of(alerting.get(text_of(alert.get("type")))).get("default-alert"))

    def times(key: str, default: int) -> int:
        found = number_of(alert.get(key)) or number_of(usual.get(key)) or default
        return min(max(found, 1), MAX_THRESHOLD)

    seconds = min(fit(timeout, 1, MAX_INTERVAL, "the timeout in seconds", remarks), interval)
    return Pace(interval, seconds, times("failure-threshold", FAILURES), times("success-threshold", SUCCESSES))
