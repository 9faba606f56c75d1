import re
import tomllib
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from lumetry_core.access.model import RateSettings
from lumetry_core.access.rates import build_limits
from lumetry_core.access.settings import SETTINGS, OrganizationSettings, Setting
from lumetry_core.config import MASK, Config, ConfigError, describe, load
from lumetry_core.evaluation.model import Settings as EvaluationSettings
from lumetry_core.metrics.settings import Settings as MetricSettings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "lumetry.toml"


def faults_of(flags: dict[str, Any], environ: dict[str, str], file: Path | None) -> list[str]:
    with pytest.raises(ConfigError) as failure:
        load(flags, environ, file)
    return str(failure.value).split("; ")


def test_load_without_anything_gives_the_documented_defaults() -> None:
    """The defaults are those of the contracts."""
    config = load({}, {}, None)
    assert config == Config()
    assert (config.data_dir, config.http, config.grpc) == (Path("lumetry-data"), "127.0.0.1:8080", "127.0.0.1:50051")
    assert (config.allow_private_webhooks, config.sqlite_synchronous, config.reflection) == (False, "FULL", None)
    assert (config.evaluation.grace_seconds, config.catalog.stale_after_hours, config.correlation.window_minutes) == (120, 24, 30)
    assert (config.auth.access_token_minutes, config.auth.refresh_token_days, config.rate.login_per_minute) == (15, 30, 10)
    assert (config.ingest.max_queued_points, config.retention.points_days, config.retention.audit_days) == (5_000_000, 35, 400)


def test_load_lets_flag_win_over_environment_over_file_over_default(file: Path) -> None:
    """Each source covers the ones below it, field by field."""
    file.write_text('http = "127.0.0.1:3"\ngrpc = "127.0.0.1:3"\nlog_level = "ERROR"\n')
    environ = {"LUMETRY_HTTP": "127.0.0.1:2", "LUMETRY_GRPC": "127.0.0.1:2", "HTTP": "127.0.0.1:9"}
    config = load({"http": "127.0.0.1:1", "grpc": None}, environ, file)
    assert config == Config(http="127.0.0.1:1", grpc="127.0.0.1:2", log_level="ERROR")


def test_load_reads_sections_from_environment_and_file(file: Path) -> None:
    """A section is a table of the file; a variable of it carries its name."""
    file.write_text("[evaluation]\ngrace_seconds = 60\n\n[retention]\npoints_days = 10\naudit_days = 20\n")
    config = load({}, {"LUMETRY_RETENTION_AUDIT_DAYS": "30", "LUMETRY_RATE_LOGIN_PER_MINUTE": "5"}, file)
    assert (config.evaluation.grace_seconds, config.rate.login_per_minute) == (60, 5)
    assert (config.retention.points_days, config.retention.audit_days) == (10, 30)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", True), ("true", True), (" YES ", True), ("on", True), ("0", False), ("False", False), ("no", False), ("off", False)],
)
def test_load_reads_switches_as_people_write_them(text: str, value: bool) -> None:
    """A flag of False wins over a variable as one of True does."""
    assert load({}, {"LUMETRY_ALLOW_PRIVATE_WEBHOOKS": text, "LUMETRY_REFLECTION": text}, None) == Config(
        allow_private_webhooks=value, reflection=value
    )
    assert load({"allow_private_webhooks": not value}, {"LUMETRY_ALLOW_PRIVATE_WEBHOOKS": text}, None) == Config(
        allow_private_webhooks=not value
    )


def test_load_names_every_fault_at_once(file: Path) -> None:
    """What is wrong anywhere stands in one message."""
    file.write_text('htpp = "127.0.0.1:1"\n[evaluation]\ngrace = 1\n[retention]\npoints_days = "many"\n[correlation]\nwindow_minutes = 0\n')
    environ = {"LUMETRY_ALLOW_PRIVATE_WEBHOOKS": "perhaps", "LUMETRY_SQLITE_SYNCHRONOUS": "OFF", "LUMETRY_LOG_LEVEL": "LOUD"}
    assert faults_of({"grpc": "nowhere"}, environ, file) == [
        "allow_private_webhooks: 'perhaps' is not true or false",
        "correlation: window_minutes must be between 1 and 1440",
        "evaluation.grace: unknown",
        "retention.points_days: 'many' is not a whole number",
        "htpp: unknown",
        "sqlite_synchronous: must be FULL, EXTRA or NORMAL",
        "log_level: must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL",
        "grpc: must be host:port",
    ]


@pytest.mark.parametrize(
    ("section", "key", "values"),
    [
        ("evaluation", "grace_seconds", (-1, 3601)),
        ("evaluation", "compound_cycle_seconds", (9, 601)),
        ("catalog", "stale_after_hours", (0, 721)),
        ("fleet", "tick_seconds", (9, 601)),
        ("fleet", "staleness_seconds", (29, 3601)),
        ("fleet", "member_gone_minutes", (4, 10_081)),
        ("incidents", "reopen_settle_minutes", (-1, 1441)),
        ("incidents", "reopen_horizon_minutes", (-1, 10_081)),
        ("incidents", "persistence_threshold_minutes", (0, 10_081)),
        ("incidents", "auto_resolve_after_minutes", (-1, 10_081)),
        ("agents", "max_series", (99, 20_001)),
        ("correlation", "window_minutes", (0, 1441)),
        ("auth", "access_token_minutes", (0, 61)),
        ("auth", "refresh_token_days", (0, 91)),
        ("rate", "login_per_minute", (0,)),
        ("rate", "ingest_per_second", (0,)),
        ("rate", "other_per_second", (0,)),
        ("rate", "organization_factor", (0,)),
        ("logs", "key_rpm", (-1,)),
        ("logs", "org_rpm", (-1,)),
        ("ingest", "max_queued_points", (9_999,)),
        ("retention", "points_days", (0,)),
        ("retention", "five_minute_days", (0,)),
        ("retention", "hour_days", (0,)),
        ("retention", "max_point_bytes", (-1,)),
        ("retention", "audit_days", (0,)),
    ],
)
def test_load_refuses_what_is_out_of_range(section: str, key: str, values: tuple[int, ...]) -> None:
    """Every setting keeps to its documented range (contract lumetry 20)."""
    for value in values:
        [fault] = faults_of({}, {f"LUMETRY_{section}_{key}".upper(): str(value)}, None)
        assert fault.startswith(f"{section}: {key} must be ")


def test_load_refuses_a_file_it_cannot_read(file: Path) -> None:
    """A missing file and one that is not TOML are faults, not defaults."""
    [fault] = faults_of({}, {}, file)
    assert fault.startswith(f"{file}: ")
    file.write_text("http = ")
    [fault] = faults_of({}, {}, file)
    assert fault.startswith(f"{file}: ")
    file.write_bytes(b"\xff")
    [fault] = faults_of({}, {}, file)
    assert fault.startswith(f"{file}: ")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("evaluation = 5", "evaluation: must be a table"),
        ("[http]\nport = 1", "http: {'port': 1} is not text"),
        ("[retention]\npoints_days = 1.5", "retention.points_days: 1.5 is not a whole number"),
        ("[retention]\npoints_days = true", "retention.points_days: True is not a whole number"),
        ("log_level = 5", "log_level: 5 is not text"),
        ("data_dir = 5", "data_dir: 5 is not a path"),
        ("admin_password = 123456789012", f"admin_password: {MASK} is not text"),
    ],
)
def test_load_refuses_a_value_of_the_wrong_type(file: Path, text: str, fault: str) -> None:
    """Nothing is guessed from a value of another type."""
    file.write_text(text)
    assert faults_of({}, {}, file) == [fault]


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:8080", "lumetry.example:65535"])
def test_load_takes_addresses(address: str) -> None:
    """Host and port, also of IPv6."""
    assert load({"http": address}, {}, None).http == address


@pytest.mark.parametrize("address", ["", "8080", ":8080", "host:", "host:65536", "host:-1", "host:http"])
def test_load_refuses_what_is_no_address(address: str) -> None:
    """Both parts must be there."""
    assert faults_of({"http": address}, {}, None) == ["http: must be host:port"]


def test_effective_database_url_is_sqlite_in_the_data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative directories are resolved, so that child processes find the same file; a configured address wins."""
    monkeypatch.chdir(tmp_path)
    assert Config().effective_database_url == f"sqlite:///{tmp_path}/lumetry-data/lumetry.db"
    assert Config(database_url="postgresql://db/lumetry").effective_database_url == "postgresql://db/lumetry"


def test_metrics_passes_on_what_the_operator_set(file: Path) -> None:
    """The sections about points reach the area that keeps them."""
    file.write_text(
        "[ingest]\nmax_queued_points = 10000\n[catalog]\nstale_after_hours = 2\n"
        "[retention]\npoints_days = 3\nfive_minute_days = 4\nhour_days = 5\nmax_point_bytes = 6\n"
    )
    assert load({}, {}, file).metrics == MetricSettings(
        max_queued_points=10_000, stale_after_hours=2, points_days=3, five_minute_days=4, hour_days=5, max_point_bytes=6
    )


def test_organization_defaults_are_those_of_the_contract() -> None:
    """Nothing set by the operator is nothing different for organizations."""
    assert Config().organization_defaults == OrganizationSettings()
    assert Config().evaluator == EvaluationSettings()


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.path)
def test_organization_defaults_follow_the_environment(setting: Setting) -> None:
    """The variable of a setting is its name in upper snake case and gives the default of every organization (contract lumetry 22.5)."""
    variable = "LUMETRY_" + re.sub(r"([A-Z])", r"_\1", setting.path.replace(".", "_")).upper()
    for value in (setting.least, setting.most):
        config = load({}, {variable: str(value)}, None)
        assert config.organization_defaults == replace(OrganizationSettings(), **{setting.field: value})


def test_organization_defaults_switch_off_with_zero(file: Path) -> None:
    """Zero minutes mean that incidents are not resolved by themselves, also where the file says otherwise."""
    file.write_text("[incidents]\nauto_resolve_after_minutes = 60\n")
    assert load({}, {}, file).organization_defaults.incidents_auto_resolve_after_minutes == 60
    environ = {"LUMETRY_INCIDENTS_AUTO_RESOLVE_AFTER_MINUTES": "0"}
    assert load({}, environ, file).organization_defaults.incidents_auto_resolve_after_minutes is None


def test_evaluator_passes_on_what_the_operator_set() -> None:
    """The cycles of the deployment and the defaults of organizations reach the area that evaluates."""
    environ = {
        "LUMETRY_EVALUATION_GRACE_SECONDS": "1",
        "LUMETRY_EVALUATION_COMPOUND_CYCLE_SECONDS": "10",
        "LUMETRY_FLEET_TICK_SECONDS": "600",
        "LUMETRY_FLEET_STALENESS_SECONDS": "30",
        "LUMETRY_FLEET_MEMBER_GONE_MINUTES": "5",
    }
    assert load({}, environ, None).evaluator == EvaluationSettings(
        grace_seconds=1, compound_cycle_seconds=10, fleet_tick_seconds=600, fleet_staleness_seconds=30, fleet_member_gone_minutes=5
    )


def test_describe_masks_secrets() -> None:
    """Neither the password nor the database's address, which may hold one, is shown."""
    text = "\n".join(describe(Config(admin_password="correct horse", database_url="postgresql://me:battery@db/lumetry")))
    assert "correct horse" not in text
    assert "battery" not in text
    assert tomllib.loads(text)["admin_password"] == MASK
    assert tomllib.loads(text)["database_url"] == MASK


def test_describe_gives_a_file_that_means_the_same(file: Path) -> None:
    """What is printed can be read back, whatever characters it holds."""
    config = load({"data_dir": Path('/srv/"quoted"\\back'), "reflection": False}, {"LUMETRY_EVALUATION_GRACE_SECONDS": "7"}, None)
    file.write_text("\n".join(describe(config)))
    assert load({}, {}, file) == config


def test_describe_shows_every_field() -> None:
    """Each field and section appears unless it has no value."""
    shown = tomllib.loads("\n".join(describe(Config())))
    expected = {each.name for each in fields(Config) if getattr(Config(), each.name) is not None} - {"containers"}
    assert set(shown) == expected
    for each in fields(Config):
        if each.name == "containers":  # Docker's own variables, which no file holds
            continue
        value = getattr(Config(), each.name)
        if is_dataclass(value):
            assert set(shown[each.name]) == {field.name for field in fields(value)}


def test_load_reads_the_limits_of_callers() -> None:
    """They stand under the names of the contracts; those of the workspace can be switched off, but not in production."""
    assert (Config().rate.ingest_per_second, Config().rate.other_per_second, Config().rate.organization_factor) == (2000, 200, 10)
    assert (Config().logs.key_rpm, Config().logs.org_rpm, Config().is_production) == (1800, 6000, True)
    environ = {
        "LUMETRY_RATE_OTHER_PER_SECOND": "50",
        "LUMETRY_RATE_INGEST_PER_SECOND": "100",
        "LUMETRY_RATE_ORGANIZATION_FACTOR": "2",
        "LUMETRY_LOGS_KEY_RPM": "60",
        "LUMETRY_LOGS_ORG_RPM": "0",
        "DISABLE_RATE_LIMIT": "1",
    }
    config = load({}, environ, None)
    assert config.limits == build_limits(
        RateSettings(ingest_per_second=100, other_per_second=50, organization_factor=2),
        logs_key_rpm=60,
        logs_organization_rpm=0,
        limits_workspace=True,
    )
    config = load({}, {"DISABLE_RATE_LIMIT": "1", "LUMETRY_ENV": "test"}, None)
    assert config.limits == build_limits(RateSettings(), logs_key_rpm=1800, logs_organization_rpm=6000, limits_workspace=False)
    assert faults_of({}, {"LUMETRY_ENV": "staging"}, None) == ["env: must be one of production, development, test"]
    assert load({}, {"LUMETRY_DISABLE_RATE_LIMIT": "1"}, None) == Config()


def test_load_reads_the_file_of_the_secret_key() -> None:
    """Named by the variable or flag; without either it is in the data directory."""
    assert load({}, {"LUMETRY_SECRET_KEY_FILE": "/etc/lumetry.key"}, None).secret_key_file == Path("/etc/lumetry.key")
    assert load({"secret_key_file": Path("k")}, {"LUMETRY_SECRET_KEY_FILE": "/etc/lumetry.key"}, None).secret_key_file == Path("k")
    assert load({}, {}, None).secret_key_file is None


def test_load_checks_the_fallback_target_by_what_webhooks_may_reach(file: Path) -> None:
    """Whatever is wrong with it is told without repeating it, and nothing of it is shown."""
    target = '{"type": "Webhook", "endpointUrl": "http://10.0.0.1/in", "secret": "hidden"}'
    environ = {"LUMETRY_ALERTING_FALLBACK_TARGET": target}
    assert faults_of({}, environ, None) == ["alerting.fallback_target: endpointUrl must be an https URL"]
    config = load({"allow_private_webhooks": True}, environ, None)
    assert config.alerting.fallback_target == target
    assert "hidden" not in "\n".join(describe(config))
    file.write_text("[alerting]\nfallback_target = 1\n")
    assert faults_of({}, {}, file) == ["alerting.fallback_target: ••• is not text"]
