"""What an operator can set: flag, else environment variable, else default. Read once at start."""

import argparse
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Installer:
    """An installer of host agents that the operator names."""

    url: str
    sha256: str
    version: str


@dataclass(frozen=True, slots=True)
class Config:
    """The effective configuration."""

    http: str = "127.0.0.1:8080"
    """Where to listen; port 0 picks a free one."""
    core: str = "127.0.0.1:50051"
    """Where the core serves gRPC."""
    log_level: str = "INFO"
    ready_fd: int | None = None
    """An inherited descriptor that gets one JSON line with the bound address."""
    lifeline: bool = False
    """Whether to end when standard input closes, as it does when the process that started this one is gone."""
    trusted_proxies: Sequence[IPv4Network | IPv6Network] = ()
    """Peers whose `X-Forwarded-For` and `X-Forwarded-Proto` count."""
    is_production: bool = True
    """`LUMETRY_ENV` is `production`."""
    organisation_name: str = "Lumetry"
    max_body_bytes: int = 1_048_576
    """Largest body of the `monitoring` family, whose contract names the setting."""
    cors_origins: Sequence[str] = ()
    """Origins whose pages may read answers of the `monitoring` family; `*`: all."""
    logs_require_https: bool = False
    logs_max_batch: int = 1_000
    logs_max_body_bytes: int = 134_217_728
    logs_inflight_bytes: int = 536_870_912
    """Bodies of the `logs` family in work at once."""
    base_url: str = ""
    """Where clients reach the deployment; empty: where each of them did."""
    linux_installer: Installer | None = None
    """None: the one that the deployment itself serves."""
    windows_installer: Installer | None = None


def read_config(arguments: Sequence[str], environ: Mapping[str, str]) -> Config:
    """Reads the configuration; a wrong option ends the process with a message."""
    parser = argparse.ArgumentParser(prog="gateway", description="Serves the JSON contracts in front of a core.", allow_abbrev=False)
    default = Config()
    parser.add_argument("--http", type=read_address, default=environ.get("LUMETRY_HTTP", default.http), metavar="HOST:PORT")
    parser.add_argument("--core", default=environ.get("LUMETRY_CORE", default.core), metavar="HOST:PORT")
    parser.add_argument("--log-level", type=read_level, default=environ.get("LUMETRY_LOG_LEVEL", default.log_level))
    parser.add_argument("--ready-fd", type=int, default=None)
    parser.add_argument("--lifeline", action="store_true")
    read = parser.parse_args(arguments)
    try:
        settings = read_settings(environ)
    except ValueError as error:
        parser.error(str(error))
    return Config(http=read.http, core=read.core, log_level=read.log_level, ready_fd=read.ready_fd, lifeline=read.lifeline, **settings)


def read_settings(environ: Mapping[str, str]) -> dict[str, Any]:
    """The settings that only the environment sets, by their field.

    Raises:
        ValueError: One is not usable; the message names its variable.
    """
    settings: dict[str, Any] = {}
    for name, (variable, read) in SETTINGS.items():
        text = environ.get(variable, "").strip()
        if text:
            try:
                settings[name] = read(text)
            except ValueError as error:
                raise ValueError(f"{variable}: {text} is not usable") from error
    for system in ("linux", "windows"):
        settings[f"{system}_installer"] = read_installer(system.upper(), environ)
    return settings


def read_installer(system: str, environ: Mapping[str, str]) -> Installer | None:
    """The installer that three variables together name; None when none of them is set.

    Raises:
        ValueError: One is missing or not usable; the message names it.
    """
    names = {field: f"LUMETRY_AGENT_INSTALLER_{system}_{field.upper()}" for field in ("url", "sha256", "version")}
    given = {field: environ.get(name, "").strip() for field, name in names.items()}
    if not any(given.values()):
        return None
    for field, name in names.items():
        if not given[field]:
            raise ValueError(f"{name}: is missing beside the others of its system")
    if not given["url"].startswith(("http://", "https://")):
        raise ValueError(f"{names['url']}: {given['url']} is not usable")
    if not SHA256.fullmatch(given["sha256"]):
        raise ValueError(f"{names['sha256']}: {given['sha256']} is not usable")
    return Installer(**given)


def read_networks(text: str) -> Sequence[IPv4Network | IPv6Network]:
    """Addresses and networks, separated by commas."""
    return tuple(ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


def read_origins(text: str) -> Sequence[str]:
    """Origins, separated by commas."""
    origins = tuple(part.strip().rstrip("/") for part in text.split(",") if part.strip())
    if any(origin != "*" and not origin.startswith(("http://", "https://")) for origin in origins):
        raise ValueError(text)
    return origins


def read_base_url(text: str) -> str:
    """An address under which the deployment is reached, without a slash at the end."""
    if not text.startswith(("http://", "https://")):
        raise ValueError(text)
    return text.rstrip("/")


def read_environment(text: str) -> bool:
    """Whether the deployment is for production."""
    if text not in ("production", "development", "test"):
        raise ValueError(text)
    return text == "production"


def read_switch(text: str) -> bool:
    """A boolean."""
    if text.lower() not in ("true", "false", "1", "0"):
        raise ValueError(text)
    return text.lower() in ("true", "1")


def read_size(text: str) -> int:
    """A positive number."""
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


SETTINGS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "trusted_proxies": ("LUMETRY_TRUSTED_PROXIES", read_networks),
    "is_production": ("LUMETRY_ENV", read_environment),
    "organisation_name": ("LUMETRY_ORGANISATION_NAME", str),
    "max_body_bytes": ("LUMETRY_MAX_BODY_SIZE", read_size),
    "cors_origins": ("LUMETRY_CORS_ORIGINS", read_origins),
    "logs_require_https": ("LUMETRY_LOGS_REQUIRE_HTTPS", read_switch),
    "logs_max_batch": ("LUMETRY_LOGS_MAX_BATCH", read_size),
    "logs_max_body_bytes": ("LUMETRY_LOGS_MAX_BODY_BYTES", read_size),
    "base_url": ("LUMETRY_BASE_URL", read_base_url),
    "logs_inflight_bytes": ("LUMETRY_LOGS_INFLIGHT_BYTES", read_size),
}
"""Variable of each setting, and how it is read."""


def read_address(text: str) -> str:
    """Checks a `host:port`."""
    split_address(text)
    return text


def read_level(text: str) -> str:
    """Checks the name of a log level."""
    if text.upper() not in logging.getLevelNamesMapping():
        raise ValueError(text)
    return text.upper()


def split_address(text: str) -> tuple[str, int]:
    """Host and port of `host:port`; brackets around an IPv6 host are taken off.

    Raises:
        ValueError: It is no address.
    """
    host, separator, port = text.rpartition(":")
    if not separator or not port.isdigit() or int(port) > 65_535:
        raise ValueError(text)
    return host.strip("[]"), int(port)
