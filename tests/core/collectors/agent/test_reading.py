from datetime import UTC, datetime, timedelta

from lumetry_core.collectors.agent.reading import CpuTimes, Reading, Sample, measure

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
BEFORE = Reading(
    time=NOW,
    elapsed_seconds=100.0,
    cpu=CpuTimes(busy=1000.0, total=4000.0),
    disk_bytes={"sda": (1000, 2000), "sdb": (5, 5)},
    network_bytes={"eth0": (10_000, 500), "eth1": (7, 7)},
)


def test_measure_gives_gauges_and_rates() -> None:
    """Gauges are those of the later reading; counters become rates over the time that passed."""
    after = Reading(
        time=NOW + timedelta(seconds=10),
        elapsed_seconds=110.0,
        cpu=CpuTimes(busy=1005.0, total=4020.0),
        memory_percent=41.5,
        swap_percent=0.0,
        load1=0.75,
        disk_used_percent={"/var": 91.0, "/": 20.5},
        disk_bytes={"sda": (2000, 2000), "sdb": (5, 1)},
        network_bytes={"eth0": (30_000, 500), "eth2": (7, 7)},
    )
    assert measure(BEFORE, after) == [
        Sample("host.memory.percent", 41.5),
        Sample("host.swap.percent", 0.0),
        Sample("host.load1", 0.75),
        Sample("host.disk.used_percent", 20.5, {"mount": "/"}),
        Sample("host.disk.used_percent", 91.0, {"mount": "/var"}),
        Sample("host.cpu.percent", 25.0),
        Sample("host.disk.read_bytes_per_second", 100.0, {"device": "sda"}),
        Sample("host.disk.write_bytes_per_second", 0.0, {"device": "sda"}),
        Sample("host.disk.read_bytes_per_second", 0.0, {"device": "sdb"}),
        Sample("host.network.rx_bytes_per_second", 2000.0, {"interface": "eth0"}),
        Sample("host.network.tx_bytes_per_second", 0.0, {"interface": "eth0"}),
    ]


def test_measure_of_a_poor_host_gives_what_there_is() -> None:
    """What a host does not offer is absent, not zero."""
    assert measure(Reading(NOW, 0.0), Reading(NOW, 10.0, memory_percent=3.0)) == [Sample("host.memory.percent", 3.0)]


def test_measure_without_passed_time_gives_no_rates() -> None:
    """Two readings at once do not divide by zero."""
    assert measure(BEFORE, BEFORE) == []


def test_measure_keeps_cpu_within_bounds() -> None:
    """Counters that the kernel corrects backwards never leave 0 to 100."""
    down = Reading(NOW, 110.0, cpu=CpuTimes(busy=990.0, total=4020.0))
    up = Reading(NOW, 110.0, cpu=CpuTimes(busy=1030.0, total=4020.0))
    assert [measure(BEFORE, down), measure(BEFORE, up)] == [[Sample("host.cpu.percent", 0.0)], [Sample("host.cpu.percent", 100.0)]]
