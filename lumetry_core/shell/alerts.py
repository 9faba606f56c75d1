"""`lumetry alerts`."""

from datetime import datetime

import click

from lumetry_core.shell.options import (
    ALERT_STATES,
    ID,
    INCIDENT,
    SEVERITIES,
    SOURCE_KINDS,
    TOPICS,
    TRANSITIONS,
    IncidentName,
    Options,
    client_options,
    one_of,
    range_options,
    settle_zone,
)
from lumetry_core.shell.running import run, run_until_interrupted


@click.group()
def alerts() -> None:
    """Alerts: what is abnormal, and why people were (not) told."""


@alerts.command("list")
@click.option("--status", type=one_of(ALERT_STATES), help="lifecycle [any]")
@click.option("--severity", type=one_of(SEVERITIES), help="[any]")
@click.option("--metric", help="key of the metric [any]")
@click.option("--rule", type=ID, help="number of the rule [any]")
@click.option("--incident", type=INCIDENT, help="number or key of the incident [any]")
@click.option("--source", type=one_of(SOURCE_KINDS), help="what opened it [any]")
@range_options
@client_options
def list_command(
    *,
    status: str | None,
    severity: str | None,
    metric: str | None,
    rule: int | None,
    incident: IncidentName | None,
    source: str | None,
    from_time: datetime | None,
    to_time: datetime | None,
    limit: int,
    options: Options,
) -> None:
    """Lists alerts, newest first."""
    from lumetry_core.shell.alert_calls import list_alerts  # noqa: PLC0415 -- gRPC is imported when it is needed

    run(
        options,
        lambda session: list_alerts(
            session,
            status=status,
            severity=severity,
            metric=metric,
            rule=rule,
            incident=incident,
            source=source,
            from_time=settle_zone(from_time, is_utc=options.is_utc),
            to_time=settle_zone(to_time, is_utc=options.is_utc),
            limit=limit,
        ),
    )


@alerts.command("show")
@click.argument("number", metavar="ID", type=ID)
@client_options
def show_command(*, number: int, options: Options) -> None:
    """Shows everything about an alert."""
    from lumetry_core.shell.alert_calls import show_alert  # noqa: PLC0415

    run(options, lambda session: show_alert(session, number))


@alerts.command("ack")
@click.argument("number", metavar="ID", type=ID)
@click.option("--note", default="", help="kept in the audit log")
@client_options
def acknowledge_command(*, number: int, note: str, options: Options) -> None:
    """Takes an alert. Others see that it has an owner."""
    from lumetry_core.shell.alert_calls import acknowledge_alert  # noqa: PLC0415

    run(options, lambda session: acknowledge_alert(session, number, note))


@alerts.command("close")
@click.argument("number", metavar="ID", type=ID)
@click.option("--note", default="", help="kept in the audit log")
@client_options
def close_command(*, number: int, note: str, options: Options) -> None:
    """Ends an alert. One of an external source is ended by its source alone."""
    from lumetry_core.shell.alert_calls import close_alert  # noqa: PLC0415

    run(options, lambda session: close_alert(session, number, note))


@alerts.command("why")
@click.argument("number", metavar="ID", type=ID)
@click.option("--transition", type=one_of(TRANSITIONS), default="open", show_default=True, help="of what people were (not) told")
@client_options
def why_command(*, number: int, transition: str, options: Options) -> None:
    """Explains why people were (not) told. Shows each gate as it was decided."""
    from lumetry_core.shell.alert_calls import explain_alert  # noqa: PLC0415

    run(options, lambda session: explain_alert(session, number, transition))


@alerts.command("watch")
@click.option("--topic", "topics", type=one_of(TOPICS), multiple=True, default=["alerts"], show_default=True, help="several may be given")
@client_options
def watch_command(*, topics: tuple[str, ...], options: Options) -> None:
    """Shows what happens, as it happens. Ctrl-C ends it."""
    from lumetry_core.shell.watch import watch  # noqa: PLC0415

    run_until_interrupted(options, lambda session: watch(session, topics))
