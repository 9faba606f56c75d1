"""Sources as people send them, and what is wrong with them (contract lumetry 5.8)."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from lumetry_core.collectors.agent.polling.model import TYPES, PollError, Target
from lumetry_core.metrics.definition import LABEL_KEY, MAX_LABELS, METRIC_KEY
from lumetry_core.metrics.labels import LABEL_NAMES
from lumetry_core.metricsources.model import DATABASES, Definition, SourceItem, SourceType
from lumetry_core.rules.choices import check_text
from lumetry_core.rules.scalars import check_name, read_count, read_exact
from lumetry_core.runtime.addresses import PRIVATE_TOO, Policy, find_host_fault, find_url_fault
from lumetry_core.runtime.errors import Faults

MAX_URL = 2048
MAX_HOST = 253
MAX_WORD = 200
MAX_SECRET = 4096
MAX_ITEMS = 50
MAX_QUERY = 10_000
MAX_COLUMN = 128
MAX_UNIT = 64
INTERVAL_SECONDS = (10, 86_400)
DEFAULT_INTERVAL_SECONDS = 60
TIMEOUT_SECONDS = (1, 60)
DEFAULT_TIMEOUT_SECONDS = 10
PORTS = (1, 65_535)
DEFAULT_PORTS = {SourceType.POSTGRES: 5432, SourceType.MYSQL: 3306, SourceType.MSSQL: 1433, SourceType.ORACLE: 1521}
HOST = re.compile(r"[A-Za-z0-9._:-]+")
"""Names and addresses; drivers take other texts for lists of hosts or for files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigDraft:
    """Where a source is, unchecked. None means absent."""

    base_url: str | None = None
    username: str | None = None
    host: str | None = None
    port: int | None = None
    database: str | None = None
    tls: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDraft:
    """One question, unchecked."""

    metric_key: str = ""
    query: str = ""
    value_column: str | None = None
    label_columns: Sequence[str] = ()
    unit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDraft:
    """A source, unchecked. None means absent; an absent secret keeps the stored one."""

    name: str = ""
    type: str = ""
    config: ConfigDraft = field(default_factory=ConfigDraft)
    secret: str | None = field(default=None, repr=False)
    items: Sequence[ItemDraft] = ()
    poll_interval_seconds: int | None = None
    timeout_seconds: int | None = None
    collector_id: str | None = None
    is_enabled: bool | None = None


def check_source(draft: SourceDraft, policy: Policy, available: Collection[str], faults: Faults) -> Definition:
    """Reads a source. The definition is to be used only when no fault was noted.

    Whether the name is free, the collector exists and a secret is stored is checked by the caller, who can look it up.

    Args:
        policy: Where polls of the core may lead.
        available: The types that the core itself can poll.
    """
    faults.check(draft.collector_id is None or bool(draft.collector_id.strip()), "collectorId", "must be a UUID or absent")
    faults.check(draft.name.strip().isprintable(), "name", "must have no control characters")
    collector_id = (draft.collector_id or "").strip().lower() or None
    known = draft.type in set(SourceType)
    kind = read_exact(SourceType, draft.type, "type", faults)
    # A collector brings its own drivers, and stands in another network.
    pollable = available if collector_id is None else TYPES
    faults.check(not known or draft.type in pollable, "type", f"cannot be polled: this deployment has no driver for {draft.type}")
    if known:
        target = check_target(draft.config, kind, policy if collector_id is None else PRIVATE_TOO, faults)
        check_secret(draft.secret, kind, target, faults)
    return Definition(
        name=check_name(draft.name, "name", faults),
        type=kind,
        target=target if known else Target(),
        items=check_items(draft.items, kind if known else None, faults),
        poll_interval_seconds=read_count(
            draft.poll_interval_seconds, INTERVAL_SECONDS, DEFAULT_INTERVAL_SECONDS, "pollIntervalSeconds", faults
        ),
        timeout_seconds=read_count(draft.timeout_seconds, TIMEOUT_SECONDS, DEFAULT_TIMEOUT_SECONDS, "timeoutSeconds", faults),
        collector_id=collector_id,
        is_enabled=draft.is_enabled is not False,
    )


def check_target(config: ConfigDraft, kind: SourceType, policy: Policy, faults: Faults) -> Target:
    """Reads where a source is; what its type does not use is ignored."""
    username = read_word(config.username, "config.username", faults, required=kind in DATABASES)
    if kind not in DATABASES:
        faults.check(":" not in username, "config.username", "must not contain a colon")
        return Target(base_url=check_url(config.base_url, kind, policy, faults), username=username)
    port = read_count(config.port, PORTS, DEFAULT_PORTS[kind], "config.port", faults)
    host = (config.host or "").strip()
    if not host:
        faults.add("config.host", "is required")
    elif len(host) > MAX_HOST or HOST.fullmatch(host) is None:
        faults.add("config.host", f"must be a host name or an address of at most {MAX_HOST} characters")
    else:
        fault = find_host_fault(host, port, policy)
        faults.check(fault is None, "config.host", fault or "")
    database = read_word(config.database, "config.database", faults, required=True)
    return Target(username=username, host=host, port=port, database=database, tls=bool(config.tls))


def check_url(url: str | None, kind: SourceType, policy: Policy, faults: Faults) -> str:
    """Reads the address of an HTTP source."""
    path, text = "config.baseUrl", (url or "").strip()
    if not text:
        faults.add(path, "is required")
        return ""
    fault = find_url_fault(text, policy) if len(text) <= MAX_URL else f"must have at most {MAX_URL} characters"
    if fault is not None:
        faults.add(path, fault)
    elif kind is SourceType.HTTP:
        faults.check("#" not in text, path, "must not have a fragment")
    else:
        faults.check("?" not in text and "#" not in text, path, "must have neither a query nor a fragment")
    return text


def check_secret(secret: str | None, kind: SourceType, target: Target, faults: Faults) -> None:
    """Notes a secret that cannot be sent."""
    if not secret:
        return
    faults.check(len(secret) <= MAX_SECRET, "secret", f"must have at most {MAX_SECRET} characters")
    check_text(secret, "secret", faults)
    if kind not in DATABASES and not target.username:
        faults.check(
            secret.isascii() and secret.isprintable() and " " not in secret,
            "secret",
            "must be printable ASCII without blanks: without a username it is a bearer token",
        )


def check_items(drafts: Sequence[ItemDraft], kind: SourceType | None, faults: Faults) -> tuple[SourceItem, ...]:
    """Reads what is asked."""
    faults.check(1 <= len(drafts) <= MAX_ITEMS, "items", f"must have between 1 and {MAX_ITEMS} elements")
    seen: set[tuple[str, str]] = set()
    items = []
    for position, draft in enumerate(drafts[:MAX_ITEMS]):
        path = f"items[{position}]"
        item = check_item(draft, path, faults)
        if kind is SourceType.HTTP and item.query.strip():
            check_path(item.query, f"{path}.query", faults)
        faults.check((item.metric_key, item.query) not in seen, path, "asks the same for the same metric as an item before it")
        seen.add((item.metric_key, item.query))
        items.append(item)
    return tuple(items)


def check_item(draft: ItemDraft, path: str, faults: Faults) -> SourceItem:
    """Reads one question."""
    faults.check(
        METRIC_KEY.fullmatch(draft.metric_key) is not None,
        f"{path}.metricKey",
        "must be 1 to 255 characters of A-Z a-z 0-9 _ . : / - and start with a letter or _",
    )
    faults.check(bool(draft.query.strip()) and len(draft.query) <= MAX_QUERY, f"{path}.query", f"must have 1 to {MAX_QUERY:,} characters")
    check_text(draft.query, f"{path}.query", faults)
    value_column = draft.value_column or ""
    faults.check(len(value_column) <= MAX_COLUMN, f"{path}.valueColumn", f"must have at most {MAX_COLUMN} characters")
    check_text(value_column, f"{path}.valueColumn", faults)
    columns = tuple(draft.label_columns)
    faults.check(len(columns) <= MAX_LABELS, f"{path}.labelColumns", f"must have at most {MAX_LABELS} elements")
    for index, column in enumerate(columns[:MAX_LABELS]):
        place = f"{path}.labelColumns[{index}]"
        faults.check(LABEL_KEY.fullmatch(column) is not None, place, LABEL_NAMES)
        faults.check(column not in columns[:index], place, "is given twice")
        faults.check(not column or column != value_column, place, "is the value's column")
    unit = (draft.unit or "").strip()
    faults.check(len(unit) <= MAX_UNIT, f"{path}.unit", f"must have at most {MAX_UNIT} characters")
    check_text(unit, f"{path}.unit", faults)
    return SourceItem(draft.metric_key, draft.query, value_column, columns, unit)


def check_path(text: str, path: str, faults: Faults) -> None:
    """Notes what is no JSON path."""
    from lumetry_core.collectors.agent.polling.paths import compile_path  # noqa: PLC0415 -- what is not polled takes no memory

    try:
        compile_path(text)
    except PollError as error:
        faults.add(path, str(error))


def read_word(text: str | None, path: str, faults: Faults, *, required: bool) -> str:
    """Reads a name that a source knows."""
    word = (text or "").strip()
    faults.check(bool(word) or not required, path, "is required")
    faults.check(len(word) <= MAX_WORD, path, f"must have at most {MAX_WORD} characters")
    faults.check(not word or word.isprintable(), path, "must be printable")
    return word
