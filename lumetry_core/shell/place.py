"""Where the server is, and with which credential it is asked."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import click

from lumetry_core.collectors.agent.address import HTTP_SCHEMES, AddressError, Target, parse_target
from lumetry_core.config import Config, read_file

CONFIG_VARIABLE = "LUMETRY_CONFIG"
DEFAULT_FILE = Path("lumetry.toml")
REACHABLE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 -- what a server listens on is not where it is reached
"""Where a server of this machine is that listens on all addresses."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the server is."""

    target: Target
    source: str
    """How that is known, for people."""

    def __str__(self) -> str:
        return f"{self.target.authority} ({self.source})"


def find_place(server: str | None, data_dir: Path | None) -> Place:
    """Where the server is: as given, else as a server on this machine wrote it, else where one listens by default.

    Raises:
        click.UsageError: The address cannot be used.
    """
    if server is not None:
        return Place(read_target(server), "--server or LUMETRY_SERVER")
    file = find_data_dir(data_dir) / "addresses.json"
    try:
        address = json.loads(file.read_text())["grpc"]
        host, _, port = str(address).rpartition(":")
        return Place(read_target(f"{REACHABLE.get(host, host)}:{port}"), str(file))
    except FileNotFoundError:
        return Place(read_target(Config().grpc), f"the default; there is no {file}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise click.UsageError(f"{file} does not tell where the server is ({error}); give --server") from error


def find_data_dir(given: Path | None) -> Path:
    """The data directory of a server on this machine: as given, else that of the configuration file, else the default."""
    if given is not None:
        return given
    written = os.environ.get(CONFIG_VARIABLE)
    file = Path(written) if written else DEFAULT_FILE if DEFAULT_FILE.exists() else None
    faults: list[str] = []
    found = read_file(file, faults).get("data_dir")  # faults of the rest are the server's business
    return Path(found) if isinstance(found, str) else Config().data_dir


def read_target(url: str) -> Target:
    """Reads `grpc://host:port`, `grpcs://host:port` (TLS) or `host:port`.

    Raises:
        click.UsageError: It is none of these.
    """
    if url.strip().partition("://")[0].lower() in HTTP_SCHEMES:
        raise click.UsageError(f"{url}: the core is asked over gRPC. Give its address, such as grpc://localhost:50051.")
    try:
        return parse_target(url)
    except AddressError as error:
        raise click.UsageError(str(error)) from error


def check_token(token: str | None) -> str:
    """The credential as it is sent.

    Raises:
        click.UsageError: There is none, or it cannot be sent.
    """
    found = (token or "").strip()
    if not found:
        raise click.UsageError(
            "a credential is needed: set LUMETRY_TOKEN, or give --token. On the server's machine one is made by\n"
            "  export LUMETRY_TOKEN=$(lumetry token create --name shell)"
        )
    if not (found.isascii() and found.isprintable()):
        raise click.UsageError("the credential of --token or LUMETRY_TOKEN has characters that no credential has")
    return found
