"""What an operator can set: flag, else environment, else TOML file, else default. Read once at start, never written.

Each field `data_dir` is the flag `--data-dir`, the variable `LUMETRY_DATA_DIR` and the TOML key `data_dir`. Fields of a section stand in
the TOML table of the section; `evaluation.grace_seconds` is the variable `LUMETRY_EVALUATION_GRACE_SECONDS`.
"""

import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast, get_type_hints

from lumetry_core.access.model import RateSettings
from lumetry_core.access.model import Settings as AuthSettings
from lumetry_core.access.oidc import OidcSettings
from lumetry_core.access.rates import FamilyLimits, build_limits
from lumetry_core.access.settings import SETTINGS, OrganizationSettings
from lumetry_core.config_sections import (
    AgentsSection,
    AlertingSection,
    BillingSection,
    CatalogSection,
    CorrelationSection,
    EvaluationSection,
    FleetSection,
    IncidentsSection,
    IngestSection,
    LogsSection,
    MonitoringSection,
    RetentionSection,
)
from lumetry_core.containers.places import RuntimeSettings, read_settings
from lumetry_core.evaluation.model import Settings as EvaluationSettings
from lumetry_core.incidents.model import Retention as IncidentRetention
from lumetry_core.metrics.settings import Settings as MetricSettings
from lumetry_core.notifications.fallback import find_fallback_fault
from lumetry_core.runtime.addresses import GLOBAL_ONLY, PRIVATE_TOO, Policy

PREFIX = "LUMETRY_"
VARIABLE_OF = {"disable_rate_limit": "DISABLE_RATE_LIMIT"}
"""Variables without the prefix, as the contract has them (workspace 1.9)."""
SECRET_FIELDS = frozenset({"admin_password", "client_secret", "database_url", "fallback_target", "http_proxy", "smtp_password"})
MASK = "•••"


class ConfigError(Exception):
    """The configuration cannot be used; the message names every fault."""


@dataclass(frozen=True, slots=True)
class Config:
    """The effective configuration."""

    data_dir: Path = Path("lumetry-data")
    http: str = "127.0.0.1:8080"
    grpc: str = "127.0.0.1:50051"
    database_url: str = ""
    """Empty: SQLite in the data directory."""
    allow_private_webhooks: bool = False
    """Lets notifications reach private addresses and use plain http."""
    files_dir: Path | None = None
    """Where the bytes of files are kept; None: `<data-dir>/files`. Cores of one database share it."""
    secret_key_file: Path | None = None
    """Holds the key of recoverable secrets; None: `<data-dir>/secret.key`, made at the first start. Cores of one database share it."""
    admin_password: str = ""
    """Empty: a random one is made at first start and written to `<data-dir>/admin-password`."""
    sqlite_synchronous: str = "FULL"
    """NORMAL is faster and may lose accepted data when power fails."""
    log_level: str = "INFO"
    base_url: str = ""
    """Where browsers reach the deployment; empty: http and its address."""
    env: str = "production"
    """What the deployment is for: production, development or test."""
    disable_rate_limit: bool = False
    """Switches the limits of the workspace family off, except in production."""
    reflection: bool | None = None
    """Whether to offer gRPC reflection; None: on loopback addresses only."""
    auth: AuthSettings = field(default_factory=AuthSettings)
    agents: AgentsSection = field(default_factory=AgentsSection)
    alerting: AlertingSection = field(default_factory=AlertingSection)
    billing: BillingSection = field(default_factory=BillingSection)
    catalog: CatalogSection = field(default_factory=CatalogSection)
    correlation: CorrelationSection = field(default_factory=CorrelationSection)
    evaluation: EvaluationSection = field(default_factory=EvaluationSection)
    fleet: FleetSection = field(default_factory=FleetSection)
    incidents: IncidentsSection = field(default_factory=IncidentsSection)
    ingest: IngestSection = field(default_factory=IngestSection)
    logs: LogsSection = field(default_factory=LogsSection)
    monitoring: MonitoringSection = field(default_factory=MonitoringSection)
    oidc: OidcSettings = field(default_factory=OidcSettings)
    containers: RuntimeSettings = field(default_factory=RuntimeSettings)
    rate: RateSettings = field(default_factory=RateSettings)
    retention: RetentionSection = field(default_factory=RetentionSection)

    @property
    def effective_database_url(self) -> str:
        """The address of the database, the default filled in."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'lumetry.db'}"

    @property
    def effective_files_dir(self) -> Path:
        """Where the bytes of files are kept, the default filled in."""
        return self.files_dir or self.data_dir / "files"

    @property
    def effective_base_url(self) -> str:
        """Where browsers reach the deployment, the default filled in."""
        return self.base_url.rstrip("/") or f"http://{self.http}"

    @property
    def webhook_policy(self) -> Policy:
        """Where notifications may go."""
        return PRIVATE_TOO if self.allow_private_webhooks else GLOBAL_ONLY

    @property
    def check_policy(self) -> Policy:
        """Where checks of endpoints, certificates and registries may go (contract monitoring 13.4)."""
        return Policy(allows_private=self.monitoring.check_allow_private, allows_plain=True)

    @property
    def is_production(self) -> bool:
        """Whether real users depend on the deployment."""
        return self.env == "production"

    @property
    def limits(self) -> Mapping[str, FamilyLimits]:
        """How much callers may do, by contract family."""
        return build_limits(
            self.rate,
            logs_key_rpm=self.logs.key_rpm,
            logs_organization_rpm=self.logs.org_rpm,
            limits_workspace=self.limits_workspace,
        )

    @property
    def limits_workspace(self) -> bool:
        """Whether the workspace family has limits."""
        return self.is_production or not self.disable_rate_limit

    @property
    def organization_defaults(self) -> OrganizationSettings:
        """What holds for organizations that do not set it themselves."""
        fields_of_settings = {setting.field: getattr(getattr(self, setting.section), setting.key) for setting in SETTINGS}
        auto_resolve = self.incidents.auto_resolve_after_minutes or None
        return replace(OrganizationSettings(**fields_of_settings), incidents_auto_resolve_after_minutes=auto_resolve)

    @property
    def evaluator(self) -> EvaluationSettings:
        """What the evaluation area wants to know."""
        return EvaluationSettings(
            grace_seconds=self.evaluation.grace_seconds,
            compound_cycle_seconds=self.evaluation.compound_cycle_seconds,
            fleet_tick_seconds=self.fleet.tick_seconds,
            fleet_staleness_seconds=self.fleet.staleness_seconds,
            fleet_member_gone_minutes=self.fleet.member_gone_minutes,
        )

    @property
    def incident_retention(self) -> IncidentRetention:
        """How long alerts, incidents and violations are kept."""
        return IncidentRetention(timedelta(days=self.retention.alerts_days), timedelta(days=self.retention.violations_days))

    @property
    def metrics(self) -> MetricSettings:
        """What the metrics area wants to know."""
        return MetricSettings(
            max_queued_points=self.ingest.max_queued_points,
            stale_after_hours=self.catalog.stale_after_hours,
            points_days=self.retention.points_days,
            five_minute_days=self.retention.five_minute_days,
            hour_days=self.retention.hour_days,
            max_point_bytes=self.retention.max_point_bytes,
        )


def load(flags: Mapping[str, Any], environ: Mapping[str, str], file: Path | None) -> Config:
    """Reads the configuration.

    Args:
        flags: Field name to value; None means that the flag was not given.
        environ: The environment.
        file: TOML file; None: none.

    Raises:
        ConfigError: Anything cannot be read, is of the wrong type or is unknown to the file's tables.
    """
    faults: list[str] = []
    table = read_file(file, faults)
    values: dict[str, Any] = {}
    for name, kind in get_type_hints(Config).items():
        if kind is RuntimeSettings:  # its variables are those of Docker, and no table has it
            values[name] = read_container_runtime(environ, faults)
            continue
        if is_dataclass(kind):
            values[name] = read_section(name, cast("Callable[..., Any]", kind), environ, table.pop(name, {}), faults)
            continue
        found = read_value(name, kind, environ.get(VARIABLE_OF.get(name, PREFIX + name.upper())), table.pop(name, None), faults)
        chosen = flags.get(name) if flags.get(name) is not None else found
        if chosen is not None:
            values[name] = chosen
    faults.extend(f"{name}: unknown" for name in table)
    if values.get("sqlite_synchronous", "FULL").upper() not in ("FULL", "NORMAL", "EXTRA"):
        faults.append("sqlite_synchronous: must be FULL, EXTRA or NORMAL")
    if values.get("log_level", "INFO").upper() not in LOG_LEVELS:
        faults.append(f"log_level: must be one of {', '.join(LOG_LEVELS)}")
    if values.get("env", "production") not in ENVIRONMENTS:
        faults.append(f"env: must be one of {', '.join(ENVIRONMENTS)}")
    faults.extend(f"{name}: must be host:port" for name in ("http", "grpc") if name in values and not is_address(values[name]))
    config = None if faults else Config(**values)
    if config is not None and (fault := find_fallback_fault(config.alerting.fallback_target, config.webhook_policy)):
        faults.append(f"alerting.fallback_target: {fault}")
    if config is None or faults:
        raise ConfigError("; ".join(faults))
    return config


def read_container_runtime(environ: Mapping[str, str], faults: list[str]) -> RuntimeSettings:
    """Where the container runtime is; faults keep its defaults."""
    try:
        return read_settings(environ)
    except ValueError as error:
        faults.append(str(error))
        return RuntimeSettings()


def read_file(file: Path | None, faults: list[str]) -> dict[str, Any]:
    """The tables of the TOML file."""
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_bytes().decode())
    except (OSError, ValueError) as error:
        faults.append(f"{file}: {error}")
        return {}


def read_section(name: str, kind: Callable[..., Any], environ: Mapping[str, str], table: Any, faults: list[str]) -> Any:  # noqa: ANN401
    """One section as its dataclass; faults keep its defaults."""
    if not isinstance(table, dict):
        faults.append(f"{name}: must be a table")
        table = {}
    values = {}
    for key, value_kind in get_type_hints(kind).items():
        value = read_value(key, value_kind, environ.get(variable_of(name, key)), table.pop(key, None), faults, name)
        if value is not None:
            values[key] = value
    faults.extend(f"{name}.{key}: unknown" for key in table)
    try:
        return kind(**values)
    except ValueError as error:
        faults.append(f"{name}: {error}")
        return kind()


def variable_of(section: str, key: str) -> str:
    """The variable of a section's field; those of monitoring stand alone, as the contract has them (monitoring 20)."""
    return f"{PREFIX}{key}".upper() if section == "monitoring" else f"{PREFIX}{section}_{key}".upper()


def read_value(name: str, kind: Any, text: str | None, written: Any, faults: list[str], section: str = "") -> Any:  # noqa: ANN401
    """A value from the environment, else from the file; None when neither has it."""
    raw = written if text is None else text
    if raw is None:
        return None
    read = READ[kind]
    try:
        return read.convert(raw) if text is not None else read.take(raw)
    except ValueError:
        shown = MASK if name in SECRET_FIELDS else repr(raw)
        faults.append(f"{section + '.' if section else ''}{name}: {shown} is not {read.noun}")
        return None


def read_bool(raw: str) -> bool:
    """A switch as people write it."""
    text = raw.strip().lower()
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("0", "false", "no", "off", ""):
        return False
    raise ValueError(text)


@dataclass(frozen=True, slots=True)
class Read:
    """How values of a type are read from text, what TOML makes of them, and what they are called."""

    convert: Callable[[str], Any]
    written: type
    noun: str

    def take(self, value: object) -> Any:  # noqa: ANN401 -- a value of the field's type
        """A value from the file; raises ValueError when it is of another type, of which nothing is guessed."""
        if type(value) is not self.written:
            raise ValueError(value)
        return self.convert(value) if isinstance(value, str) else value


READ: Mapping[Any, Read] = {
    bool: Read(read_bool, bool, "true or false"),
    bool | None: Read(read_bool, bool, "true or false"),
    int: Read(int, int, "a whole number"),
    Path: Read(Path, str, "a path"),
    Path | None: Read(Path, str, "a path"),
    str: Read(str, str, "text"),
}
"""A field of another type needs a row here."""
ENVIRONMENTS = ("production", "development", "test")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def is_address(text: str) -> bool:
    """Whether a text is `host:port`."""
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdigit() and int(port) < 65536


def describe(config: Any) -> list[str]:  # noqa: ANN401 -- a Config or a section
    """The configuration as TOML lines, secrets masked."""
    lines, sections = [], []
    for each in fields(config):
        value = getattr(config, each.name)
        if isinstance(value, RuntimeSettings):  # which no file sets
            continue
        if is_dataclass(value):
            sections += ["", f"[{each.name}]", *describe(value)]
        elif each.name in SECRET_FIELDS and value:
            lines.append(f'{each.name} = "{MASK}"')
        elif value is not None:
            # JSON's texts, numbers and switches are TOML's as well.
            lines.append(f"{each.name} = {json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)}")
    return lines + sections
