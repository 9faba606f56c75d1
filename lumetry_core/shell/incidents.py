"""`lumetry incidents`."""

import sys
from datetime import datetime

import click

from lumetry_core.shell.options import (
    CLASSIFICATIONS,
    ID,
    INCIDENT,
    INCIDENT_STATES,
    SEVERITIES,
    TOPICS,
    IncidentName,
    Options,
    client_options,
    one_of,
    range_options,
    settle_zone,
)
from lumetry_core.shell.running import run, run_until_interrupted

NAME = "ID|INC-…"


@click.group()
def incidents() -> None:
    """Incidents: alerts that belong together, and what people do about them."""


@incidents.command("list")
@click.option("--status", type=one_of(INCIDENT_STATES), help="lifecycle [any]")
@click.option("--severity", type=one_of(SEVERITIES), help="[any]")
@click.option("--service", type=ID, help="number of the service at the centre [any]")
@click.option("--ci", type=ID, help="number of the configuration item at the centre [any]")
@range_options
@client_options
def list_command(
    *,
    status: str | None,
    severity: str | None,
    service: int | None,
    ci: int | None,
    from_time: datetime | None,
    to_time: datetime | None,
    limit: int,
    options: Options,
) -> None:
    """Lists incidents, newest first."""
    from lumetry_core.shell.incident_calls import list_incidents  # noqa: PLC0415 -- gRPC is imported when it is needed

    run(
        options,
        lambda session: list_incidents(
            session,
            status=status,
            severity=severity,
            service=service,
            ci=ci,
            from_time=settle_zone(from_time, is_utc=options.is_utc),
            to_time=settle_zone(to_time, is_utc=options.is_utc),
            limit=limit,
        ),
    )


@incidents.command("show")
@click.argument("name", metavar=NAME, type=INCIDENT)
@client_options
def show_command(*, name: IncidentName, options: Options) -> None:
    """Shows everything about an incident."""
    from lumetry_core.shell.incident_calls import show_incident  # noqa: PLC0415

    run(options, lambda session: show_incident(session, name))


@incidents.command("ack")
@click.argument("name", metavar=NAME, type=INCIDENT)
@click.option("--note", help="shown with the incident")
@client_options
def acknowledge_command(*, name: IncidentName, note: str | None, options: Options) -> None:
    """Takes an incident. Others see who owns it."""
    from lumetry_core.shell.incident_calls import acknowledge_incident  # noqa: PLC0415

    run(options, lambda session: acknowledge_incident(session, name, note))


@incidents.command("resolve")
@click.argument("name", metavar=NAME, type=INCIDENT)
@click.option("--classification", type=one_of(CLASSIFICATIONS), help="how it ended; asked for on a terminal")
@click.option("--note", help="what it was, shown with the incident; asked for on a terminal")
@client_options
def resolve_command(*, name: IncidentName, classification: str | None, note: str | None, options: Options) -> None:
    """Ends an incident. Alerts that are still active keep their state and are watched."""
    if classification is None:
        require_terminal("--classification", f"one of {', '.join(CLASSIFICATIONS)}")
        classification = click.prompt("Classification", type=one_of(CLASSIFICATIONS), err=True)
    if note is None:
        require_terminal("--note", "what it was")
        note = click.prompt("Note", err=True)
    from lumetry_core.shell.incident_calls import resolve_incident  # noqa: PLC0415

    run(options, lambda session: resolve_incident(session, name, str(classification), str(note)))


def is_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()


def require_terminal(option: str, meaning: str) -> None:
    """Fails when there is nobody to ask for an option."""
    if not is_terminal():
        raise click.UsageError(f"{option} is needed: {meaning}")


@incidents.command("why")
@click.argument("name", metavar=NAME, type=INCIDENT)
@client_options
def why_command(*, name: IncidentName, options: Options) -> None:
    """Explains why each alert is in an incident."""
    from lumetry_core.shell.incident_calls import explain_incident  # noqa: PLC0415

    run(options, lambda session: explain_incident(session, name))


@incidents.command("watch")
@click.option(
    "--topic", "topics", type=one_of(TOPICS), multiple=True, default=["incidents"], show_default=True, help="several may be given"
)
@client_options
def watch_command(*, topics: tuple[str, ...], options: Options) -> None:
    """Shows what happens, as it happens. Ctrl-C ends it."""
    from lumetry_core.shell.watch import watch  # noqa: PLC0415

    run_until_interrupted(options, lambda session: watch(session, topics))
