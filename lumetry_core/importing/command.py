"""`lumetry import`."""

import os
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lumetry_core.importing.plan import ExportError, Plan
from lumetry_core.shell.options import Options, client_options
from lumetry_core.shell.running import run

if TYPE_CHECKING:
    from lumetry_core.importing.applying import Result
    from lumetry_core.shell.session import Session

MAX_BYTES = 32 * 1024 * 1024


@click.group("import")
def import_group() -> None:
    """Takes monitors and channels over from another product. What exists by name is left as it is."""


def import_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds what every import takes; the command gets the file's content."""

    @wraps(command)
    def with_content(*, file: Path, is_dry: bool, options: Options) -> None:
        if file.stat().st_size > MAX_BYTES:
            raise click.ClickException(f"{file} is larger than {MAX_BYTES // 1024 // 1024} MiB")
        try:
            plan = command(content=file.read_bytes())
        except ExportError as error:
            raise click.ClickException(str(error)) from error
        run(options, lambda session: import_plan(session, plan, is_dry=is_dry))

    decorated: Callable[..., Any] = client_options(with_content)
    decorated = click.option("--dry-run", "is_dry", is_flag=True, help="only show what would be created")(decorated)
    return click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))(decorated)


@import_group.command("uptime-kuma")
@import_options
def uptime_kuma_command(*, content: bytes) -> Plan:
    """Imports FILE, the JSON backup of Uptime Kuma (Settings, Backup, Export)."""
    from lumetry_core.importing.uptime_kuma import read_backup  # noqa: PLC0415 -- each command imports only what it runs

    return read_backup(content)


@import_group.command("gatus")
@import_options
def gatus_command(*, content: bytes) -> Plan:
    """Imports FILE, the YAML configuration of Gatus. Variables in it are read from the environment."""
    from lumetry_core.importing.gatus import read_configuration  # noqa: PLC0415 -- as above

    return read_configuration(content, os.environ)


async def import_plan(session: "Session", plan: Plan, *, is_dry: bool) -> None:
    """Carries a plan out and tells what became of it. Ends with the code 1 when the server refused anything."""
    from lumetry_core.importing.applying import Fate, carry_out  # noqa: PLC0415 -- gRPC is imported when it is needed

    results = await carry_out(session, plan.items, is_dry=is_dry)
    tell(session, plan, results)
    if any(result.fate is Fate.REFUSED for result in results):
        raise click.exceptions.Exit(1)


def tell(session: "Session", plan: Plan, results: "Sequence[Result]") -> None:
    """Prints the report."""
    from lumetry_core.importing.report import spell_report, to_document  # noqa: PLC0415 -- as above
    from lumetry_core.shell.screen import write, write_json  # noqa: PLC0415 -- as above

    if session.is_json:
        write_json(to_document(plan, results))
    else:
        write(spell_report(plan, results))
