import ssl

import pytest

from lumetry_core.bench.monitors import MonitorOptions, Pinging, Streaming, Watching, find_lateness, report_monitors
from lumetry_core.bench.monitors_setup import addresses
from lumetry_core.bench.monitors_targets import TlsServer, run_tls_server
from lumetry_core.bench.receiver import Arrival
from lumetry_core.bench.report import summarize_latency


def arrive(path: str, *times: float) -> list[Arrival]:
    """Checks of one endpoint."""
    return [Arrival(time, path, "", b"") for time in times]


def test_find_how_late_checks_were() -> None:
    """What counts is the time beyond one interval; the first interval of an endpoint, and what comes early, do not."""
    late, unchecked = find_lateness([*arrive("a", 0, 12, 42, 72.5, 102), *arrive("b", 0, 30)], 30)
    assert (late, unchecked) == ([0.0, 0.5, 0.0], 1)


def test_show_one_certificate_at_many_addresses() -> None:
    """Every port shows it at every host."""
    with run_tls_server() as server:
        assert len(set(addresses(server))) == len(server.hosts) * len(server.ports)
        for host in (server.hosts[0], server.hosts[-1]):
            assert ssl.get_server_certificate((host, server.ports[-1])).startswith("-----BEGIN CERTIFICATE")


@pytest.mark.parametrize(
    ("late", "memory", "missed"), [(0.2, 200, []), (2.0, 400, ["late start of checks: p99", "memory while watching (RSS)"])]
)
def test_judge_what_was_measured(late: float, memory: int, missed: list[str]) -> None:
    """Figures carry what the issue asks for."""
    some = summarize_latency([0.01])
    report = report_monitors(
        MonitorOptions(),
        {"cores": 2.0},
        Watching(summarize_latency([late]), 33.0, 0.4, memory * 1_000_000, 0, 0.0),
        {"endpoints": some},
        Pinging(6000.0, some, 0, 0.0),
        Streaming(1000, 5, 0, 1, 1),
        [],
    )
    assert [figure.name for figure in report.figures if figure.verdict == "missed"] == missed
    assert list(addresses(TlsServer(("a", "b"), (1, 2)))) == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]
