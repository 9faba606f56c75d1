"""Endpoints as people and labels write them, and what is wrong with them (contract monitoring 5.3)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from yarl import URL

from lumetry_core.endpoints.expectations import normalize_expected
from lumetry_core.endpoints.model import MASK, METHODS, Config, EndpointType
from lumetry_core.runtime.addresses import Policy, find_form_fault, find_host_fault
from lumetry_core.runtime.errors import Faults

MAX_NAME = 255
MAX_TARGET = 2048
MAX_HEADERS = 50
MAX_HEADER_VALUE = 4096
INTERVAL_SECONDS = (5, 86_400)
THRESHOLDS = (1, 100)
REDIRECTS = (0, 20)
DEFAULT_TIMEOUT_SECONDS = 10

TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
"""What a header's name may be (RFC 9110 5.6.2)."""
FRAMING_HEADERS = frozenset({"connection", "content-length", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"})
"""They tell of the connection and the body, which the checker alone knows."""
SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie"})
SECRET_WORDS = ("token", "key", "secret")
HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_-]{1,63})*\.?", re.ASCII)
TCP_TARGET = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%a-z]+\]|[^:\[\]/\s]+):(?P<port>[0-9]{1,5})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointDraft:
    """An endpoint as sent; None: left out, so that it takes its default or keeps what is stored."""

    name: str | None = None
    target: str | None = None
    endpoint_type: str | None = None
    interval_seconds: int | None = None
    timeout_seconds: int | None = None
    failure_threshold: int | None = None
    recovery_threshold: int | None = None
    method: str | None = None
    expected_status: str | None = None
    tls_verify: bool | None = None
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    max_redirects: int | None = None
    topology_node_id: int | None = None
    clears_topology_node: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """A draft that was looked at: what it makes of the configuration, header values as they were sent, and why its target is refused."""

    config: Config
    headers: Mapping[str, str] | None = field(repr=False)
    """None: those that are stored stay."""
    objection: str | None
    """Against where the target leads, which is no fault of its form."""


def check_config(draft: EndpointDraft, before: Config | None, policy: Policy, faults: Faults) -> Checked:
    """Reads everything but the name and the topology node."""
    target = (draft.target.strip() if draft.target is not None else None) or (before.target if before is not None else "")
    faults.check(draft.target is None or bool(draft.target.strip()), "target", "must not be empty")
    if draft.target is None and before is None:
        faults.add("target", "is required")
    kind = read_type(draft, before, target, faults)
    fault, objection = judge_target(kind, target, policy) if target else (None, None)
    if fault is not None:
        faults.add("target", fault)
    interval = read_whole(
        draft.interval_seconds, INTERVAL_SECONDS, before.interval_seconds if before else 30, "interval", faults, unit=" s"
    )
    default = min(DEFAULT_TIMEOUT_SECONDS, interval) if before is None else before.timeout_seconds
    timeout = default if draft.timeout_seconds is None else draft.timeout_seconds
    faults.check(1 <= timeout <= max(interval, 1), "timeout", "must be between 1 s and the interval")
    kept = before or Config(endpoint_type=kind, target=target)
    method = kept.method if draft.method is None else draft.method
    faults.check(method in METHODS, "method", f"must be one of {', '.join(METHODS)}")
    expected = kept.expected_status if draft.expected_status is None else normalize_expected(draft.expected_status)
    if expected is None:
        faults.add("expected_status", "must be a list of statuses and classes such as 200,204,3xx")
    if draft.headers is not None:
        check_headers(draft.headers, faults)
    config = Config(
        endpoint_type=kind,
        target=target,
        interval_seconds=interval,
        timeout_seconds=timeout,
        failure_threshold=read_whole(draft.failure_threshold, THRESHOLDS, kept.failure_threshold, "failure_threshold", faults),
        recovery_threshold=read_whole(draft.recovery_threshold, THRESHOLDS, kept.recovery_threshold, "recovery_threshold", faults),
        method=method,
        expected_status=expected or kept.expected_status,
        tls_verify=kept.tls_verify if draft.tls_verify is None else draft.tls_verify,
        headers=kept.headers if draft.headers is None else mask(draft.headers),
        max_redirects=read_whole(draft.max_redirects, REDIRECTS, kept.max_redirects, "max_redirects", faults),
    )
    return Checked(config, draft.headers, objection)


def check_name(name: str | None, faults: Faults) -> str:
    """Reads the name of a standalone endpoint."""
    if name is None:
        faults.add("name", "is required")
        return ""
    trimmed = name.strip()
    faults.check(1 <= len(trimmed) <= MAX_NAME, "name", f"must have between 1 and {MAX_NAME} characters")
    faults.check("\0" not in trimmed, "name", "must not contain the character NUL")
    return trimmed


def read_type(draft: EndpointDraft, before: Config | None, target: str, faults: Faults) -> EndpointType:
    """The type: as sent, else by the form of a target that is sent, else as it was."""
    if draft.endpoint_type is not None:
        if draft.endpoint_type in set(EndpointType):
            return EndpointType(draft.endpoint_type)
        faults.add("endpoint_type", f"must be one of {', '.join(EndpointType)}")
    elif draft.target is None and before is not None:
        return before.endpoint_type
    return EndpointType.HTTP if "://" in target else EndpointType.TCP


def judge_target(kind: EndpointType, target: str, policy: Policy) -> tuple[str | None, str | None]:
    """What is wrong with the form of a target, and why it must not be where checks lead."""
    if len(target) > MAX_TARGET:
        return f"must have at most {MAX_TARGET} characters", None
    if kind is EndpointType.TCP:
        place = split_tcp(target)
        if place is None:
            return "must be host:port with a port between 1 and 65535", None
        return None, find_host_fault(*place, policy)
    fault = find_form_fault(target)
    if fault is not None:
        return fault, None
    parsed = URL(target, encoded=True)
    return None, find_host_fault(parsed.host or "", parsed.port, policy)


def split_tcp(target: str) -> tuple[str, int] | None:
    """Host and port of a TCP target; None: it is none."""
    match = TCP_TARGET.fullmatch(target)
    if match is None or not 0 < int(match["port"]) < 65_536:
        return None
    host = match["host"]
    if not host.startswith("[") and not HOST.fullmatch(host):
        return None
    return host.strip("[]"), int(match["port"])


def read_whole(value: int | None, bounds: tuple[int, int], default: int, path: str, faults: Faults, unit: str = "") -> int:
    """Reads a whole number within bounds."""
    if value is None:
        return default
    faults.check(bounds[0] <= value <= bounds[1], path, f"must be between {bounds[0]}{unit} and {bounds[1]}{unit}")
    return value


def check_headers(headers: Mapping[str, str], faults: Faults) -> None:
    """Notes headers that cannot be sent."""
    faults.check(len(headers) <= MAX_HEADERS, "headers", f"must have at most {MAX_HEADERS} members")
    seen: set[str] = set()
    for name, value in headers.items():
        lower = name.lower()
        if not TOKEN.fullmatch(name):
            faults.add("headers", "must have names of 1 to 100 letters, digits and !#$%&'*+.^_`|~-")
            continue
        path = f"headers.{name}"
        faults.check(lower not in FRAMING_HEADERS, path, "is set by the checker alone")
        faults.check(lower not in seen, path, "is named twice, ignoring case")
        faults.check(len(value) <= MAX_HEADER_VALUE, path, f"must have at most {MAX_HEADER_VALUE} characters")
        faults.check(not any(character in value for character in "\r\n\0"), path, "must not contain CR, LF or NUL")
        seen.add(lower)


def is_secret(name: str) -> bool:
    """Whether a header's value is shown to nobody."""
    lower = name.lower()
    return lower in SECRET_HEADERS or any(word in lower for word in SECRET_WORDS)


def mask(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers as people see them."""
    return {name: MASK if is_secret(name) else value for name, value in headers.items()}
