"""Reads labels of containers (contract monitoring 18). Of two prefixes ours wins; a faulty option takes its default."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec

from lumetry_core.endpoints.drafts import EndpointDraft
from lumetry_core.endpoints.durations import parse_duration
from lumetry_core.endpoints.model import METHODS, EndpointType

PREFIXES = ("lumetry.", "maintenant.")
"""The first wins."""
TARGET = re.compile(r"endpoint(?:\.(?P<index>[0-9]{1,4}))?\.(?P<kind>http|tcp)", re.ASCII)
NO = frozenset({"false", "0", "no"})
THRESHOLDS = range(1, 101)
REDIRECTS = range(21)


@dataclass(frozen=True, slots=True)
class LabelEndpoint:
    """A check that labels of a container name; only its form was read."""

    slot: str
    """The option that names its target."""
    label_key: str
    """The same with the prefix that counts."""
    draft: EndpointDraft


def read_option(labels: Mapping[str, str], name: str) -> str | None:
    """The text of an option, such as `topology.node`; None: it is not set."""
    for prefix in PREFIXES:
        text = labels.get(prefix + name)
        if text is not None:
            return text.strip()
    return None


def find_key(labels: Mapping[str, str], name: str) -> str:
    """The label that sets an option."""
    return next(prefix + name for prefix in PREFIXES if prefix + name in labels)


def list_options(labels: Mapping[str, str]) -> list[str]:
    """The names of all options that are set, ascending."""
    return sorted({key.removeprefix(prefix) for key in labels for prefix in PREFIXES if key.startswith(prefix)})


def read_endpoints(labels: Mapping[str, str]) -> list[LabelEndpoint]:
    """The checks that labels name, the simple form first, then by index. The simple form of a kind wins over its index 0."""
    found: list[tuple[int, LabelEndpoint]] = []
    for slot in list_options(labels):
        match = TARGET.fullmatch(slot)
        if match is None or not (target := read_option(labels, slot)):
            continue
        index, kind = match["index"], EndpointType(match["kind"])
        if index is not None and int(index) == 0 and read_option(labels, f"endpoint.{kind}"):
            continue
        draft = read_settings(labels, index, EndpointDraft(target=target, endpoint_type=kind.value))
        found.append((-1 if index is None else int(index), LabelEndpoint(slot, find_key(labels, slot), draft)))
    return [endpoint for _, endpoint in sorted(found, key=lambda each: (each[0], each[1].slot))]


def read_settings(labels: Mapping[str, str], index: str | None, draft: EndpointDraft) -> EndpointDraft:
    """A check with its settings: indexed ones override those of the whole container."""

    def option(name: str) -> str | None:
        indexed = None if index is None else read_option(labels, f"endpoint.{index}.{name}")
        return indexed if indexed is not None else read_option(labels, f"endpoint.{name}")

    interval = read_seconds(option("interval"), 5, 86_400)
    timeout = read_seconds(option("timeout"), 1, 86_400)
    return replace(
        draft,
        interval_seconds=interval,
        timeout_seconds=None if timeout is None else min(timeout, interval or 30),
        failure_threshold=read_count(option("failure-threshold"), THRESHOLDS),
        recovery_threshold=read_count(option("recovery-threshold"), THRESHOLDS),
        method=read_method(option("http.method")),
        expected_status=option("http.expected-status") or None,
        tls_verify=read_switch(option("http.tls-verify")),
        headers=read_headers(option("http.headers")),
        max_redirects=read_count(option("http.max-redirects"), REDIRECTS),
    )


def read_seconds(text: str | None, least: int, most: int) -> int | None:
    """A duration within bounds; None: absent or faulty."""
    seconds = None if text is None else parse_duration(text)
    return seconds if seconds is not None and least <= seconds <= most else None


def read_count(text: str | None, allowed: range) -> int | None:
    """A whole number of a range; None: absent or faulty."""
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > 4 or int(text) not in allowed:
        return None
    return int(text)


def read_method(text: str | None) -> str | None:
    """A method in any letter case; None: absent or faulty."""
    return text.upper() if text is not None and text.upper() in METHODS else None


def read_switch(text: str | None) -> bool | None:
    """Off for some words, on for any other; None: absent."""
    return None if not text else text.lower() not in NO


def read_headers(text: str | None) -> dict[str, str] | None:
    """Headers as a JSON object of texts or as `k=v,k=v`; None: absent or faulty."""
    if not text:
        return None
    if text.startswith("{"):
        try:
            return msgspec.json.decode(text, type=dict[str, str])
        except msgspec.MsgspecError:
            return None
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if not all(separator and name.strip() for name, separator, _ in pairs):
        return None
    return {name.strip(): value.strip() for name, _, value in pairs}
