"""The command `lumetry`: parses arguments, calls one function each."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from lumetry_core import __version__
from lumetry_core.cli_options import FORWARD, migrated, parts, read_config, run, server_options, telling_failures
from lumetry_core.config import describe
from lumetry_core.importing.command import import_group
from lumetry_core.shell.alerts import alerts
from lumetry_core.shell.incidents import incidents


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lumetry")
def main() -> None:
    """Self-hosted incident intelligence."""


main.add_command(alerts)
main.add_command(incidents)
main.add_command(import_group)


@main.command()
@server_options
def serve(**options: Any) -> None:
    """Runs everything on one machine: core and gateway, restarted when they crash."""
    from lumetry_core.serve import serve_everything  # noqa: PLC0415 -- each command imports only what it runs

    sys.exit(serve_everything(read_config(options)))


@main.command()
@server_options
@click.option("--ready-fd", type=int, help="file descriptor that gets the bound address as a JSON line")
@click.option("--lifeline", is_flag=True, help="end when standard input closes")
def core(*, ready_fd: int | None, lifeline: bool, **options: Any) -> None:
    """Runs the core alone; several may share one PostgreSQL."""
    from lumetry_core.app import run_core  # noqa: PLC0415

    config = read_config(options)
    with telling_failures():
        code = run_core(config, ready_fd=ready_fd, lifeline=lifeline)
    sys.exit(code)


@main.command(context_settings=FORWARD, add_help_option=False)
@click.pass_context
def gateway(context: click.Context) -> None:
    """Runs a gateway alone: see `lumetry gateway --help`."""
    os.execv(sys.executable, [sys.executable, "-m", "gateway", *context.args])  # noqa: S606 -- the gateway is a program of its own


@main.command()
@server_options
def migrate(**options: Any) -> None:
    """Brings the database to the newest schema."""
    from lumetry_core.maintenance import prepare  # noqa: PLC0415

    config = read_config(options)
    with telling_failures():
        click.echo(f"schema {prepare(config)}")


@main.command("check-config")
@server_options
def check_config(**options: Any) -> None:
    """Prints the effective configuration, secrets masked."""
    click.echo("\n".join(describe(read_config(options))))


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@server_options
def backup(file: Path, **options: Any) -> None:
    """Writes a consistent copy of the database to FILE while the server may run."""
    from lumetry_core.backup import BackupError, backup  # noqa: PLC0415

    try:
        backup(read_config(options).effective_database_url, file)
    except BackupError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"backed up to {file}")


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@server_options
def restore(file: Path, **options: Any) -> None:
    """Replaces the database by the backup FILE; the server must be stopped."""
    from lumetry_core.backup import BackupError  # noqa: PLC0415
    from lumetry_core.maintenance import restore_backup  # noqa: PLC0415

    config = read_config(options)
    try:
        with telling_failures():
            restore_backup(config, file)
    except BackupError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"restored from {file}")


@main.command()
@click.option("--spike", is_flag=True, help="keep all cores busy for a minute, to see an alert become an incident")
@server_options
def demo(*, spike: bool, **options: Any) -> None:
    """Runs a server, a collector of this host and starter rules, and says where to look."""
    from lumetry_core.demo.run import run_demo  # noqa: PLC0415

    sys.exit(run_demo(read_config(options), spike=spike))


@main.command(context_settings=FORWARD, add_help_option=False)
@click.pass_context
def bench(context: click.Context) -> None:
    """Measures this product: `lumetry bench --help`."""
    from lumetry_core.bench.command import bench as group  # noqa: PLC0415

    group.main(args=context.args, prog_name="lumetry bench")


@main.group()
def collector() -> None:
    """The process that runs near what is monitored."""


@collector.command("run", context_settings=FORWARD, add_help_option=False)
@click.pass_context
def run_collector(context: click.Context) -> None:
    """Samples this host and sends the points to a core: `lumetry collector run --help`."""
    program = "lumetry_core.collectors.agent"
    os.execv(sys.executable, [sys.executable, "-m", program, *context.args])  # noqa: S606 -- a small process of its own


@main.group()
def token() -> None:
    """Credentials of users."""


@token.command("create")
@click.option("--name", required=True, help="what it is for")
@click.option("--user", default="admin", show_default=True, help="its owner; of a log key, whose organization it belongs to")
@click.option("--family", type=click.Choice(["lumetry", "logs", "workspace"]), default="lumetry", show_default=True, help="contract family")
@click.option("--permissions", help="lumetry: comma list that narrows the owner's permissions")
@click.option("--project", help="logs: slug or id of the project [default]")
@click.option("--scopes", help="workspace: comma list that narrows what it opens, such as projects:read,logs:write")
@server_options
def create_token(
    *,
    name: str,
    user: str,
    family: str,
    permissions: str | None,
    project: str | None,
    scopes: str | None,
    **options: Any,
) -> None:
    """Makes a credential and prints it, alone, on standard output: the only time it can be seen."""
    from lumetry_core import administration  # noqa: PLC0415

    for option, value, home in (("permissions", permissions, "lumetry"), ("project", project, "logs"), ("scopes", scopes, "workspace")):
        if value is not None and family != home:
            raise click.UsageError(f"--{option} is for --family {home}")
    config = migrated(options)
    if family == "logs":
        work = administration.create_log_key(config, name=name, user=user, project=project or "default")
    elif family == "workspace":
        work = administration.create_workspace_key(config, name=name, user=user, scopes=parts(scopes) or [])
    else:
        work = administration.create_token(config, name=name, user=user, permissions=parts(permissions))
    click.echo(run(work))


@token.command("list")
@click.option("--user", default="admin", show_default=True, help="their owner")
@server_options
def list_tokens(*, user: str, **options: Any) -> None:
    """Lists the API tokens of a user: number, first characters, state, name."""
    from lumetry_core import administration  # noqa: PLC0415

    for each in run(administration.list_tokens(migrated(options), user=user)):
        ended = each.revoke_time or each.expire_time
        state = "lasting" if ended is None else f"{'revoked' if each.revoke_time else 'until'} {ended:%Y-%m-%dT%H:%M:%SZ}"
        click.echo(f"{each.id}\t{each.prefix}\t{state}\t{each.name}")


@token.command("revoke")
@click.argument("number", type=int)
@click.option("--user", default="admin", show_default=True, help="its owner")
@server_options
def revoke_token(*, number: int, user: str, **options: Any) -> None:
    """Ends the API token with a number of `lumetry token list`."""
    from lumetry_core import administration  # noqa: PLC0415

    run(administration.revoke_token(migrated(options), user=user, token_id=number))


@main.group()
def org() -> None:
    """Organizations."""


@org.command("create")
@click.argument("name")
@server_options
def create_org(*, name: str, **options: Any) -> None:
    """Makes an organization and prints its number."""
    from lumetry_core import administration  # noqa: PLC0415

    click.echo(run(administration.create_organization(migrated(options), name=name)))


@org.command("list")
@server_options
def list_orgs(**options: Any) -> None:
    """Lists organizations: number, slug, name."""
    from lumetry_core import administration  # noqa: PLC0415

    for each in run(administration.list_organizations(migrated(options))):
        click.echo(f"{each.id}\t{each.slug}\t{each.name}")


@main.group()
def user() -> None:
    """People."""


@user.command("create")
@click.argument("name")
@click.option("--role", "roles", required=True, multiple=True, help="role; may be given several times")
@click.option("--org", "organization", help="organization [the first one]")
@server_options
def create_user(*, name: str, roles: tuple[str, ...], organization: str | None, **options: Any) -> None:
    """Makes a local user; the password is read from a prompt or from standard input."""
    from lumetry_core import administration  # noqa: PLC0415

    config = migrated(options)
    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    click.echo(run(administration.create_user(config, name=name, roles=roles, organization=organization, password=password)))


@user.command("list")
@click.option("--org", "organization", help="organization [the first one]")
@server_options
def list_users(*, organization: str | None, **options: Any) -> None:
    """Lists users: number, state, roles, login name."""
    from lumetry_core import administration  # noqa: PLC0415

    for each in run(administration.list_users(migrated(options), organization=organization)):
        click.echo(f"{each.id}\t{'active' if each.is_active else 'inactive'}\t{','.join(each.roles)}\t{each.username}")


@main.group()
def jobs() -> None:
    """Evaluation jobs."""


@jobs.command("failed")
@click.option("--org", "organization", help="organization [the first one]")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="so many, the newest")
@click.option("--json", "as_json", is_flag=True, help="as a JSON array")
@server_options
def list_failed_jobs(*, organization: str | None, limit: int, as_json: bool, **options: Any) -> None:
    """Lists jobs that were given up: number, batch, metric, time, attempts, error, time of failure."""
    from lumetry_core import administration  # noqa: PLC0415
    from lumetry_core.job_table import render_json, render_lines  # noqa: PLC0415

    found = run(administration.list_failed_jobs(migrated(options), organization=organization, limit=limit))
    click.echo(render_json(found) if as_json else render_lines(found), nl=as_json)


@jobs.command("retry")
@click.argument("number", type=int, required=False)
@click.option("--all", "all_jobs", is_flag=True, help="every failed job of the organization")
@click.option("--org", "organization", help="organization [the first one]")
@server_options
def retry_jobs(*, number: int | None, all_jobs: bool, organization: str | None, **options: Any) -> None:
    """Puts the failed job with a number of `lumetry jobs failed` back to the queue; a server that runs takes it within seconds."""
    from lumetry_core import administration  # noqa: PLC0415

    if (number is None) != all_jobs:
        raise click.UsageError("give either the number of a job or --all")
    config = migrated(options)
    if number is not None:
        run(administration.retry_job(config, organization=organization, number=number))
        click.echo(f"job {number} is queued")
        return
    queued, lost = run(administration.retry_all_jobs(config, organization=organization))
    click.echo(f"{queued} queued" + (f", {lost} cannot be tried again because their points are no longer kept" if lost else ""))


@main.group("inquiries")
def inquiry_group() -> None:
    """What was sent through the public form for inquiries."""


@inquiry_group.command("list")
@click.option("--json", "as_json", is_flag=True, help="as a JSON array with everything that is kept")
@server_options
def list_inquiries(*, as_json: bool, **options: Any) -> None:
    """Lists inquiries, newest first: time, name, e-mail address, company, beginning of the message."""
    from lumetry_core import administration  # noqa: PLC0415
    from lumetry_core.inquiries.listing import render_json, render_lines  # noqa: PLC0415

    found = run(administration.list_inquiries(migrated(options)))
    click.echo(render_json(found) if as_json else render_lines(found), nl=as_json)


@main.group()
def holidays() -> None:
    """Public holidays, which baselines do not learn from."""


@holidays.command("import")
@click.option("--country", required=True, help="ISO 3166-1 code, such as DE")
@click.option("--subdivision", help="part of the country, such as BY [what holds in the whole country]")
@click.option("--year", "years", type=int, required=True, multiple=True, help="year; may be given several times")
@click.option("--time-zone", help="whose midnights count, such as Europe/Berlin [that of the default baseline profile]")
@click.option("--org", "organization", help="organization [the only one]")
@server_options
def import_holidays(
    *, country: str, subdivision: str | None, years: tuple[int, ...], time_zone: str | None, organization: str | None, **options: Any
) -> None:
    """Adds a country's public holidays and lists those that are new: number, start, name."""
    from lumetry_core import administration  # noqa: PLC0415

    work = administration.import_holidays(
        migrated(options), country=country, subdivision=subdivision, years=years, time_zone=time_zone, organization=organization
    )
    for each in run(work):
        click.echo(f"{each.id}\t{each.start_time:%Y-%m-%dT%H:%M:%SZ}\t{each.reason}")
