"""What an operator can set: flag, else environment variable, else default. Read once at start."""

import argparse
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


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
    return Config(http=read.http, core=read.core, log_level=read.log_level, ready_fd=read.ready_fd, lifeline=read.lifeline)


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
