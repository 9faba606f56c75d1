"""`lumetry bench alarms`: how many external alarms are accepted, and how soon they are alerts."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from math import isnan

import msgspec

from lumetry_core.bench.alarm_rounds import LONGEST_LAG_SECONDS, AlarmOptions, PeerRound, Round, measure_peer, measure_rounds
from lumetry_core.bench.alarm_senders import DEFINITIONS
from lumetry_core.bench.alerting_peer import alertmanager_program, run_alertmanager
from lumetry_core.bench.deployment import make_folder, run_server
from lumetry_core.bench.measuring import median
from lumetry_core.bench.report import Better, Figure, Report, disturbance_figure, disturbance_notes, is_valid
from lumetry_core.bench.usage import describe_machine


def run_alarms(options: AlarmOptions, progress: Callable[[str], None]) -> Report:
    """Loads the product, then the peer, each with the machine for itself.

    Raises:
        BenchError: A server failed, or mapped alarms did not become alerts.
    """
    machine, disturbed = describe_machine()
    notes: list[str] = []
    theirs: list[PeerRound] = []
    with tempfile.TemporaryDirectory(prefix="lumetry-bench-") as folder:
        progress("starting the server")
        with run_server(make_folder(folder, "lumetry"), options.database_url) as server:
            ours = measure_rounds(server, options, progress)
        if options.peer and alertmanager_program() is None:
            notes.append("no comparison: not installed: alertmanager")
        elif options.peer:
            progress("starting the peer")
            with run_alertmanager(make_folder(folder, "peer")) as peer:
                notes.append(f"alertmanager {peer.version}: POST /api/v2/alerts, kept in memory only")
                theirs = [measure_peer(peer.address, peer.tree, options, number) for number in range(1, options.rounds + 1)]
            progress(f"alertmanager {median([one.per_second for one in theirs]):,.0f} alarms/s")
    return report_alarms(options, machine, ours, theirs, [*notes, *disturbed])


def report_alarms(
    options: AlarmOptions, machine: dict[str, float], ours: Sequence[Round], theirs: Sequence[PeerRound], notes: Sequence[str]
) -> Report:
    """Turns rounds into figures: medians."""

    def figure(name: str, values: list[float], unit: str) -> Figure:
        return Figure(name, median(values), unit, better=Better.LOWER)

    figures = [
        Figure("accepted", median([one.per_second for one in ours]), "alarms/s", 5000.0, 14_000.0),
        figure("p50 of the answer", [one.answer.p50_ms for one in ours], "ms"),
        figure("p99 of the answer", [one.answer.p99_ms for one in ours], "ms"),
        Figure("processed, in the load and after it", median([one.processed_per_second for one in ours]), "alarms/s"),
        figure("last 202 → all processed", [one.lag_seconds for one in ours], "s"),
        figure("CPU per 1,000 alarms, until all are processed", [one.cpu_seconds / one.accepted * 1000 for one in ours], "s"),
    ]
    if theirs:
        figures.append(Figure("alertmanager: accepted", median([one.per_second for one in theirs]), "alarms/s"))
        figures.append(figure("alertmanager: p99 of the answer", [one.answer.p99_ms for one in theirs], "ms"))
        ratios = [one.per_second / other.per_second for one, other in zip(ours, theirs, strict=True)]
        figures.append(Figure("accepted ÷ alertmanager", median(ratios)))
    foreign = max([one.foreign_share for one in ours] + [one.foreign_share for one in theirs])
    figures.append(disturbance_figure(foreign))
    conditions = {name: value for name, value in asdict(options).items() if name != "database_url"} | machine
    conditions["database"] = "PostgreSQL" if options.database_url else "SQLite"
    explained = [
        "accepted: answered 202, which follows the commit and its sync; every transition is the first of its occurrence",
        f"half of {DEFINITIONS} definitions are mapped to hosts: those alarms become alerts and incidents, the others are retained",
    ]
    if any(isnan(one.lag_seconds) for one in ours):
        explained.append(f"not everything was processed {LONGEST_LAG_SECONDS:.0f} s after the load")
    return Report(
        f"External alarms in batches of {options.batch}",
        conditions,
        figures,
        [*explained, *notes, *disturbance_notes(foreign)],
        {"lumetry": msgspec.to_builtins(ours), "alertmanager": msgspec.to_builtins(theirs)},
        valid=is_valid(foreign),
    )
