"""What commands have in common: options of a configuration, and how a verb runs and fails."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from lumetry_core.config import Config, ConfigError, load

Command = TypeVar("Command", bound=Callable[..., Any])

FORWARD = {"ignore_unknown_options": True, "allow_extra_args": True}
"""For commands whose arguments another program or module reads."""

SERVER_OPTIONS = (
    click.option("--config", "config_file", type=click.Path(path_type=Path), envvar="LUMETRY_CONFIG", help="TOML file"),
    click.option("--data-dir", type=click.Path(path_type=Path), help="where the database and addresses.json live [./lumetry-data]"),
    click.option("--http", help="address of the gateway [127.0.0.1:8080]; port 0 picks a free one"),
    click.option("--grpc", help="address of the core [127.0.0.1:50051]; port 0 picks a free one"),
    click.option("--env", help="what the deployment is for: production, development or test [production]"),
    click.option("--database-url", help="postgresql://… [SQLite in the data directory]"),
    click.option("--allow-private-webhooks/--forbid-private-webhooks", default=None, help="let webhooks reach private addresses"),
    click.option("--files-dir", type=click.Path(path_type=Path), help="where uploaded files lie [files in the data directory]"),
    click.option("--secret-key-file", type=click.Path(path_type=Path), help="key of stored secrets [secret.key in the data directory]"),
    click.option("--sqlite-synchronous", help="FULL; NORMAL may lose accepted data when power fails"),
    click.option("--log-level", help="DEBUG, INFO, WARNING or ERROR"),
    click.option("--reflection/--no-reflection", default=None, help="gRPC reflection [on loopback addresses]"),
)


def server_options(command: Command) -> Command:
    """Adds the options that every command with a configuration takes."""
    for option in reversed(SERVER_OPTIONS):
        command = option(command)
    return command


def read_config(options: dict[str, Any]) -> Config:
    """Reads the effective configuration; a fault ends the command with code 2."""
    file = options.pop("config_file", None)
    if file is None and Path("lumetry.toml").exists():
        file = Path("lumetry.toml")
    if file is not None:
        os.environ["LUMETRY_CONFIG"] = str(file.resolve())  # child processes read the same file
    try:
        return load(options, os.environ, file)
    except ConfigError as error:
        raise click.UsageError(f"the configuration cannot be used: {error}") from error


def parts(text: str | None) -> list[str] | None:
    """What stands between the commas; None when there is no text."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def migrated(options: dict[str, Any]) -> Config:
    """The configuration, after the data directory and the schema are in place."""
    from lumetry_core.maintenance import prepare  # noqa: PLC0415

    config = read_config(options)
    with telling_failures():
        prepare(config)
    return config


def run(work: Any) -> Any:
    """Runs an administrative verb; its failure is the command's."""
    with telling_failures():
        return asyncio.run(work)


@contextmanager
def telling_failures() -> Iterator[None]:
    """Makes the failure of a verb the command's: a message, and exit code 1."""
    from lumetry_core.runtime.errors import LumetryError  # noqa: PLC0415

    try:
        yield
    except LumetryError as error:
        faults = "".join(f"\n  {fault.path}: {fault.message}" for fault in error.faults)
        raise click.ClickException(error.message + faults) from error
