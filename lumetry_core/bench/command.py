"""`lumetry bench`: arguments of the benchmarks; each prints a table and, as the last line, JSON."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from lumetry_core.bench.connection import BenchError
from lumetry_core.bench.report import Report, encode_json, render_table

Options = TypeVar("Options")


@click.group()
def bench() -> None:
    """Measures this machine: servers are started on temporary directories and loopback only."""


database_url = click.option("--database-url", default="", help="an empty postgresql://… database [SQLite in a temporary directory]")
peer_too = click.option("--peer/--no-peer", default=True, show_default=True, help="measure the peer in the same run where it is installed")
json_file = click.option("--json-file", type=click.Path(path_type=Path), help="also write the JSON here")


@bench.command()
@click.option(
    "--transport",
    type=click.Choice(["json", "grpc", "both", "unary", "all"]),
    default="json",
    show_default=True,
    help="how points travel: HTTP, streams of columns, these two, a call per batch of columns, all three",
)
@click.option("--seconds", type=click.FloatRange(1, 120), default=10.0, show_default=True, help="length of each measurement")
@click.option("--batch", type=click.IntRange(1, 10_000), default=1000, show_default=True, help="points per request")
@click.option("--series", type=click.IntRange(10, 1_000_000), default=1000, show_default=True, help="series, ten to a metric")
@click.option("--rules", type=click.IntRange(0, 10_000), default=100, show_default=True, help="rules, spread over the metrics")
@click.option("--rounds", type=click.IntRange(1, 10), default=2, show_default=True, help="alternating measurements of each side")
@click.option("--connections", type=click.IntRange(1, 64), default=8, show_default=True, help="concurrent senders")
@click.option("--in-flight", type=click.IntRange(1, 32), default=8, show_default=True, help="batches under way on each gRPC stream")
@click.option("--coalesce", type=click.IntRange(1, 100), default=1, show_default=True, help="batches per unary gRPC call")
@click.option("--peer", type=click.Choice(["prometheus"]), default=None, help="measure an installed peer in the same run")
@database_url
@json_file
def ingest(
    *,
    transport: str,
    seconds: float,
    batch: int,
    series: int,
    rules: int,
    rounds: int,
    connections: int,
    in_flight: int,
    coalesce: int,
    peer: str | None,
    database_url: str,
    json_file: Path | None,
) -> None:
    """Points per second from acceptance to evaluation, latency, CPU and memory."""
    from lumetry_core.bench.ingest import IngestOptions, run_ingest  # noqa: PLC0415 -- each command imports only what it runs

    options = IngestOptions(
        transport=transport,
        seconds=seconds,
        batch=batch,
        series=series,
        rules=rules,
        rounds=rounds,
        connections=connections,
        in_flight=in_flight,
        coalesce=coalesce,
        peer=peer or "",
        database_url=database_url,
    )
    measure(run_ingest, options, json_file)


@bench.command("list")
@click.option("--alerts", type=click.IntRange(1, 1_000_000), default=100_000, show_default=True, help="alerts stored")
@click.option("--requests", type=click.IntRange(1, 100_000), default=300, show_default=True, help="requests measured")
@click.option("--limit", type=click.IntRange(1, 5000), default=500, show_default=True, help="alerts per answer")
@database_url
@json_file
def list_alerts(*, alerts: int, requests: int, limit: int, database_url: str, json_file: Path | None) -> None:
    """Answer times of listing alerts while many are stored."""
    from lumetry_core.bench.listing import ListOptions, run_list  # noqa: PLC0415

    measure(run_list, ListOptions(alerts=alerts, requests=requests, limit=limit, database_url=database_url), json_file)


@bench.command()
@click.option("--seconds", type=click.FloatRange(1, 120), default=10.0, show_default=True, help="length of each measurement")
@click.option("--batch", type=click.IntRange(1, 1000), default=1000, show_default=True, help="entries per request")
@click.option("--rounds", type=click.IntRange(1, 10), default=2, show_default=True, help="measurements")
@click.option("--connections", type=click.IntRange(1, 64), default=8, show_default=True, help="concurrent senders")
@click.option(
    "--entries", type=click.IntRange(0, 50_000_000), default=1_000_000, show_default=True, help="long entries that are searched; 0: none"
)
@database_url
@json_file
def logs(*, seconds: float, batch: int, rounds: int, connections: int, entries: int, database_url: str, json_file: Path | None) -> None:
    """Log entries per second, how soon they are found and on a live tail, and how long searches over many of them take."""
    from lumetry_core.bench.logs import LogOptions, run_logs  # noqa: PLC0415

    options = LogOptions(seconds=seconds, batch=batch, rounds=rounds, connections=connections, entries=entries, database_url=database_url)
    measure(run_logs, options, json_file)


@bench.command()
@click.option("--series", type=click.IntRange(10, 1_000_000), default=100_000, show_default=True, help="series, ten to a metric")
@click.option("--rules", type=click.IntRange(1, 100_000), default=10_000, show_default=True, help="rules, spread over the metrics")
@click.option("--rounds", type=click.IntRange(1, 100), default=6, show_default=True, help="points of each series")
@click.option("--interval", type=click.FloatRange(0.1, 3600), default=10.0, show_default=True, help="seconds of data between them")
@click.option(
    "--dynamic", type=click.FloatRange(0, 100), default=0.0, show_default=True, help="percent of rules that draw limits from baselines"
)
@click.option(
    "--breaching", type=click.FloatRange(0.01, 100), default=1.0, show_default=True, help="percent of series that breach in loud rounds"
)
@click.option("--alerts", type=click.IntRange(1, 100_000), default=5000, show_default=True, help="alerts of the storm")
@database_url
@json_file
def evaluate(
    *,
    series: int,
    rules: int,
    rounds: int,
    interval: float,
    breaching: float,
    dynamic: float,
    alerts: int,
    database_url: str,
    json_file: Path | None,
) -> None:
    """Share of a core that evaluation takes, and how fast a storm of alerts becomes incidents."""
    from lumetry_core.bench.evaluating import EvaluateOptions, run_evaluate  # noqa: PLC0415

    options = EvaluateOptions(
        series=series,
        rules=rules,
        rounds=rounds,
        interval_seconds=interval,
        breaching_percent=breaching,
        dynamic_percent=dynamic,
        alerts=alerts,
        database_url=database_url,
    )
    measure(run_evaluate, options, json_file)


@bench.command()
@click.option("--alerts", type=click.IntRange(1, 50_000), default=5000, show_default=True, help="series that breach at once")
@click.option("--nodes", type=click.IntRange(10, 1000), default=500, show_default=True, help="nodes of the topology, ten to a service")
@click.option("--rounds", type=click.IntRange(1, 10), default=1, show_default=True, help="storms, each on a fresh deployment")
@peer_too
@database_url
@json_file
def storm(*, alerts: int, nodes: int, rounds: int, peer: bool, database_url: str, json_file: Path | None) -> None:
    """From points that all breach at once to alerts, incidents and one page for each incident and integration."""
    from lumetry_core.bench.storm import StormOptions, run_storm  # noqa: PLC0415

    measure(run_storm, StormOptions(alerts, nodes, rounds, peer, database_url), json_file)


@bench.command()
@click.option("--points", type=click.IntRange(1, 2000), default=200, show_default=True, help="points, each with its own rule")
@click.option("--rate", type=click.FloatRange(1, 100), default=10.0, show_default=True, help="points per second")
@click.option("--rounds", type=click.IntRange(1, 10), default=1, show_default=True, help="measurements of each side")
@peer_too
@database_url
@json_file
def latency(*, points: int, rate: float, rounds: int, peer: bool, database_url: str, json_file: Path | None) -> None:
    """From a point's acceptance to the webhook that it causes."""
    from lumetry_core.bench.latency import LatencyOptions, run_latency  # noqa: PLC0415

    measure(run_latency, LatencyOptions(points, rate, rounds, peer, database_url), json_file)


@bench.command()
@click.option("--seconds", type=click.FloatRange(1, 60), default=5.0, show_default=True, help="length of each measurement")
@click.option("--batch", type=click.IntRange(1, 1000), default=100, show_default=True, help="alarms per request")
@click.option("--connections", type=click.IntRange(1, 64), default=8, show_default=True, help="concurrent senders")
@click.option("--rounds", type=click.IntRange(1, 10), default=1, show_default=True, help="measurements of each side")
@peer_too
@database_url
@json_file
def alarms(*, seconds: float, batch: int, connections: int, rounds: int, peer: bool, database_url: str, json_file: Path | None) -> None:
    """External alarms accepted per second, and how soon they are alerts."""
    from lumetry_core.bench.alarm_rounds import AlarmOptions  # noqa: PLC0415
    from lumetry_core.bench.alarms import run_alarms  # noqa: PLC0415

    measure(run_alarms, AlarmOptions(seconds, batch, connections, rounds, peer, database_url), json_file)


@bench.command()
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=Path))
@click.option(
    "--labels", type=click.Path(path_type=Path), help="windows by file, as in combined_windows.json [FILE.labels.json beside each]"
)
@click.option("--synthetic", is_flag=True, help="also the labelled series that are made up, always the same")
@click.option("--rule", default="", help="the default rule to try, or `all` to compare them [the recommended one]")
@click.option("--learning-days", type=click.FloatRange(0, 365), default=21.0, show_default=True, help="learned before the rule is made")
@click.option("--json", "json_only", is_flag=True, help="print nothing but the JSON")
@json_file
def detect(
    *,
    files: tuple[Path, ...],
    labels: Path | None,
    synthetic: bool,
    rule: str,
    learning_days: float,
    json_only: bool,
    json_file: Path | None,
) -> None:
    """How well a default rule finds what is labelled in series (CSV with timestamp,value), and how often it cries wolf."""
    from lumetry_core.bench.detecting import choose_rules, read_all, render_reports, run_detect  # noqa: PLC0415

    try:
        series = read_all(files, labels, synthetic=synthetic)
        reports = run_detect(series, choose_rules(rule), learning_days, tell)
    except BenchError as error:
        raise click.ClickException(str(error)) from error
    if not json_only:
        click.echo(render_reports(reports))
        click.echo("")
    encoded = "\n".join(encode_json(report) for report in reports)
    click.echo(encoded)
    if json_file is not None:
        json_file.write_text(encoded + "\n")


@bench.command()
@click.option("--series", type=click.IntRange(1, 10_000), default=100, show_default=True, help="series of one metric")
@click.option("--days", type=click.IntRange(1, 365), default=30, show_default=True, help="days of points")
@click.option("--step", type=click.IntRange(1, 3600), default=60, show_default=True, help="seconds between points")
@click.option("--window-minutes", type=click.IntRange(1, 1440), default=5, show_default=True, help="of the dynamic rule")
@json_file
def replay(*, series: int, days: int, step: int, window_minutes: int, json_file: Path | None) -> None:
    """How long it takes to replay a dynamic rule over stored points."""
    from lumetry_core.bench.replaying import ReplayOptions, run_replay  # noqa: PLC0415

    show(run_replay(ReplayOptions(series, days, step, window_minutes), tell), json_file)


@bench.command()
@click.option("--endpoints", type=click.IntRange(1, 10_000), default=1000, show_default=True, help="HTTP endpoints")
@click.option("--heartbeats", type=click.IntRange(1, 10_000), default=500, show_default=True, help="heartbeats")
@click.option("--certificates", type=click.IntRange(1, 1000), default=300, show_default=True, help="certificates")
@click.option("--streams", type=click.IntRange(1, 10_000), default=1000, show_default=True, help="clients of the public event stream")
@click.option("--seconds", type=click.FloatRange(10, 3600), default=60.0, show_default=True, help="length of the watching")
@click.option("--interval", type=click.IntRange(5, 3600), default=30, show_default=True, help="seconds between checks of an endpoint")
@click.option("--ping-seconds", type=click.FloatRange(1, 60), default=5.0, show_default=True, help="length of the pinging")
@click.option("--connections", type=click.IntRange(1, 256), default=64, show_default=True, help="concurrent senders of pings")
@database_url
@json_file
def monitors(
    *,
    endpoints: int,
    heartbeats: int,
    certificates: int,
    streams: int,
    seconds: float,
    interval: int,
    ping_seconds: float,
    connections: int,
    database_url: str,
    json_file: Path | None,
) -> None:
    """How punctually and at what cost monitors are watched, pings per second, and what event streams take."""
    from lumetry_core.bench.monitors import MonitorOptions, run_monitors  # noqa: PLC0415

    options = MonitorOptions(
        endpoints=endpoints,
        heartbeats=heartbeats,
        certificates=certificates,
        streams=streams,
        seconds=seconds,
        interval_seconds=interval,
        ping_seconds=ping_seconds,
        connections=connections,
        database_url=database_url,
    )
    measure(run_monitors, options, json_file)


@bench.command()
@click.option("--collectors", type=click.IntRange(1, 10_000), default=1000, show_default=True, help="simulated collectors")
@click.option("--points", type=click.IntRange(10, 10_000), default=100, show_default=True, help="points of each per interval")
@click.option("--interval", type=click.FloatRange(1, 300), default=10.0, show_default=True, help="seconds between heartbeats and batches")
@click.option("--rounds", type=click.IntRange(1, 360), default=6, show_default=True, help="intervals that are measured")
@click.option("--rules", type=click.IntRange(0, 10_000), default=100, show_default=True, help="rules, spread over the metrics")
@click.option("--watch/--no-watch", default=True, show_default=True, help="each holds the stream for configuration and work open")
@database_url
@json_file
def collectors(
    *, collectors: int, points: int, interval: float, rounds: int, rules: int, watch: bool, database_url: str, json_file: Path | None
) -> None:
    """Share of a core that a fleet of collectors takes, and whether everything of it is answered and evaluated in time."""
    from lumetry_core.bench.collectors import CollectorOptions, run_collectors  # noqa: PLC0415

    options = CollectorOptions(collectors, points, interval, rounds, rules, watch, database_url)
    measure(run_collectors, options, json_file)


def measure(run: Callable[[Options, Callable[[str], None]], Report], options: Options, json_file: Path | None) -> None:
    """Runs a benchmark and shows what it found; when it cannot go on, the command fails with the reason."""
    try:
        report = run(options, tell)
    except BenchError as error:
        raise click.ClickException(str(error)) from error
    show(report, json_file)


def tell(line: str) -> None:
    """Says what happens, beside the report."""
    click.echo(line, err=True)


def show(report: Report, json_file: Path | None) -> None:
    """Prints the table and the JSON."""
    click.echo(render_table(report))
    click.echo("")
    click.echo(encode_json(report))
    if json_file is not None:
        json_file.write_text(encode_json(report) + "\n")
