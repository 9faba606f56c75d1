"""What statistics come to."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lumetry_core.containers.engine import Stats
from lumetry_core.resources.formulas import LARGEST, derive
from lumetry_core.resources.model import Latest, Sample

START = datetime(2026, 6, 1, 8, tzinfo=UTC)
NOW = START + timedelta(seconds=10)
SECOND = 10**9
GIB = 2**30


def stats(**changes: Any) -> Stats:
    """Statistics of a container that just began, on four processors."""
    fields: dict[str, Any] = {
        "time": START,
        "cpu_total_ns": 5 * SECOND,
        "cpu_system_ns": 1000 * SECOND,
        "online_cpus": 4,
        "memory_usage": 300,
        "memory_inactive_file": 100,
        "memory_limit": 1000,
        "net_rx_bytes": 10,
        "net_tx_bytes": 20,
        "block_read_bytes": 30,
        "block_write_bytes": 40,
    }
    return Stats(**fields | changes)


def after(**changes: Any) -> Stats:
    """Ten seconds later: of forty seconds of four processors it had six."""
    later: dict[str, Any] = {"time": NOW, "cpu_total_ns": 11 * SECOND, "cpu_system_ns": 1040 * SECOND}
    return stats(**later | changes)


def test_derive_all_values() -> None:
    """Processors are in percent of one, memory is without idle file pages, counters stay, rates are per second."""
    found = derive(7, stats(), after(net_rx_bytes=1010, net_tx_bytes=520), 8 * GIB, NOW)
    sample = Sample(7, NOW, 60.0, 200, 1000, 1010, 520, 30, 40)
    assert found == Latest(sample=sample, cpu_count=4, net_rx_rate=100.0, net_tx_rate=50.0)
    assert sample.memory_percent == 20.0


@pytest.mark.parametrize(
    ("changes", "percent"),
    [
        ({"cpu_total_ns": 45 * SECOND}, 400.0),
        ({"cpu_total_ns": 5 * SECOND}, 0.0),
        ({"cpu_system_ns": 1000 * SECOND}, 0.0),
    ],
)
def test_derive_cpu_at_the_edges(changes: dict[str, Any], percent: float) -> None:
    """Four processors in full use are 400 percent; without use, or without time that passed, it is none."""
    found = derive(7, stats(), after(**changes), 0, NOW)
    assert found is not None
    assert found.sample.cpu_percent == percent


def test_derive_without_host_time() -> None:
    """Where the engine does not tell the host's processor time, the clock's time counts."""
    found = derive(7, stats(cpu_system_ns=0), after(cpu_system_ns=0), 0, NOW)
    assert found is not None
    assert found.sample.cpu_percent == 60.0


@pytest.mark.parametrize(
    ("inactive", "used"),
    [(0, 300), (100, 200), (299, 1), (300, 300), (5000, 300)],
)
def test_derive_memory_in_use(inactive: int, used: int) -> None:
    """Idle file pages are left out unless there would be none or less left."""
    found = derive(7, stats(), after(memory_inactive_file=inactive), 0, NOW)
    assert found is not None
    assert found.sample.memory_used == used


@pytest.mark.parametrize(
    ("limit", "host", "expected"),
    [(0, 8 * GIB, 8 * GIB), (GIB, 8 * GIB, GIB), (2**64 - 1, 8 * GIB, 8 * GIB), (2**64 - 1, 0, LARGEST), (0, 0, 0)],
)
def test_derive_memory_limit(limit: int, host: int, expected: int) -> None:
    """No limit, and one beyond the host, mean the host's memory; nothing is larger than the store can hold."""
    found = derive(7, stats(), after(memory_limit=limit), host, NOW)
    assert found is not None
    assert found.sample.memory_limit == expected


def test_derive_restarted() -> None:
    """A container that was started anew between two statistics has no sample: the later one is a baseline."""
    assert derive(7, stats(), after(cpu_total_ns=SECOND), 0, NOW) is None
    assert derive(7, stats(), after(cpu_system_ns=SECOND), 0, NOW) is None


def test_derive_counter_that_began_anew() -> None:
    """A counter that fell has no rate."""
    found = derive(7, stats(net_rx_bytes=5000), after(), 0, NOW)
    assert found is not None
    assert (found.net_rx_rate, found.net_tx_rate) == (0.0, 0.0)
