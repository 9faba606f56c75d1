"""What an agent tells of itself and its host."""

from datetime import UTC, datetime

from lumetry_core.collectors.agent.hostagent.reporting import MAX_PROCESSES, build_report
from lumetry_core.collectors.agent.hostagent.usage import Usage

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


def test_build_report_of_processes() -> None:
    """A report has each executable with what it uses."""
    report = build_report([Usage("nginx", 2, 12.5, 1.5, 4096)], NOW)
    [process] = report.processes
    found = (process.executable, process.identity, process.instance_count, process.cpu_percent, process.memory_percent, process.rss_bytes)
    assert (found, report.collect_time.ToDatetime(UTC)) == (("nginx", "", 2, 12.5, 1.5, 4096), NOW)


def test_build_report_of_too_many() -> None:
    """A host with more executables than a report holds reports those that use most of the processor or the memory."""
    idle = [Usage(f"p{number:04}", 1, 0.0, 0.0, 10) for number in range(MAX_PROCESSES)]
    report = build_report([Usage("a-busy", 1, 90.0, 0.0, 1), *idle, Usage("z-large", 1, 0.0, 50.0, 10**9)], NOW)
    reported = [process.executable for process in report.processes]
    assert (len(reported), reported[0], reported[-1]) == (MAX_PROCESSES, "a-busy", "z-large")
