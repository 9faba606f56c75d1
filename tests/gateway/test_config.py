from ipaddress import ip_network

import pytest

from gateway.config import SETTINGS, Config, read_config


def test_read_defaults() -> None:
    """Without flags and environment everything has its default; an empty variable is none."""
    assert read_config([], {}) == Config()
    assert read_config([], {variable: " " for variable, _ in SETTINGS.values()}) == Config()


def test_prefer_flag_to_environment() -> None:
    """A flag wins over the environment, which wins over the default."""
    environ = {"LUMETRY_HTTP": "0.0.0.0:1", "LUMETRY_CORE": "core:2", "LUMETRY_LOG_LEVEL": "debug"}
    assert read_config([], environ) == Config(http="0.0.0.0:1", core="core:2", log_level="DEBUG")
    flags = ["--http", "[::1]:0", "--core", "other:3", "--log-level", "warning", "--ready-fd", "5", "--lifeline"]
    assert read_config(flags, environ) == Config(http="[::1]:0", core="other:3", log_level="WARNING", ready_fd=5, lifeline=True)


def test_read_settings_of_environment() -> None:
    """Each setting that only the environment knows is read as what it is."""
    environ = {
        "LUMETRY_TRUSTED_PROXIES": "10.0.0.1, 192.168.0.7/16,fd00::/8,",
        "LUMETRY_ENV": "development",
        "LUMETRY_ORGANISATION_NAME": " Bank of Tests ",
        "LUMETRY_MAX_BODY_SIZE": "2048",
        "LUMETRY_LOGS_REQUIRE_HTTPS": "TRUE",
        "LUMETRY_LOGS_MAX_BATCH": "10",
    }
    assert read_config([], environ) == Config(
        trusted_proxies=(ip_network("10.0.0.1/32"), ip_network("192.168.0.0/16"), ip_network("fd00::/8")),
        is_production=False,
        organisation_name="Bank of Tests",
        max_body_bytes=2048,
        logs_require_https=True,
        logs_max_batch=10,
    )


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("LUMETRY_TRUSTED_PROXIES", "proxy.example"),
        ("LUMETRY_TRUSTED_PROXIES", "10.0.0.0/40"),
        ("LUMETRY_ENV", "prod"),
        ("LUMETRY_MAX_BODY_SIZE", "0"),
        ("LUMETRY_MAX_BODY_SIZE", "1 MiB"),
        ("LUMETRY_LOGS_REQUIRE_HTTPS", "maybe"),
        ("LUMETRY_LOGS_MAX_BATCH", "-1"),
    ],
)
def test_refuse_setting(variable: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A setting that cannot be used ends the process, naming the variable."""
    with pytest.raises(SystemExit) as ended:
        read_config([], {variable: text})
    assert ended.value.code == 2
    assert f"{variable}: {text} is not usable" in capsys.readouterr().err


@pytest.mark.parametrize(
    "flags", [["--http", "8080"], ["--http", "a:b"], ["--http", "a:70000"], ["--log-level", "loud"], ["--htt", "a:1"], ["--unknown"]]
)
def test_refuse_flag(flags: list[str]) -> None:
    """A flag that cannot be used, or is only half written, ends the process."""
    with pytest.raises(SystemExit):
        read_config(flags, {})
