"""The points that packs make of readings."""

from lumetry_core.collectors.agent.hostagent.usage import Usage
from lumetry_core.collectors.agent.hostagent.wanted import (
    Pack,
    Wanted,
    merge_samples,
    select_host_samples,
    select_process_samples,
)
from lumetry_core.collectors.agent.reading import Sample

ALL = frozenset({"process.cpu.percent", "process.memory.percent", "process.rss.bytes"})
NGINX = Usage("nginx", 2, 12.5, 1.5, 4096)
CRON = Usage("cron", 1, 0.0, 0.1, 1024)


def pack(pack_id: str, metrics: frozenset[str] = ALL, interval: int = 60, always: frozenset[str] = frozenset()) -> Pack:
    return Pack(pack_id, 1, metrics, interval, always)


def labelled(usage: Usage) -> list[Sample]:
    labels = {"process.executable": usage.executable}
    return [
        Sample("process.cpu.percent", usage.cpu_percent, labels),
        Sample("process.memory.percent", usage.memory_percent, labels),
        Sample("process.rss.bytes", float(usage.rss_bytes), labels),
    ]


def test_select_host_samples_of_a_pack() -> None:
    """Only metrics that the pack names are collected."""
    wanted = pack("host.linux", frozenset({"host.cpu.percent"}))
    samples = [Sample("host.cpu.percent", 1.0), Sample("host.swap.percent", 2.0)]
    assert list(select_host_samples(wanted, samples)) == [Sample("host.cpu.percent", 1.0)]


def test_select_process_samples_of_the_process_pack() -> None:
    """The busiest executables are collected, and those always wanted, in any letter case."""
    assert list(select_process_samples(pack("process"), [CRON, NGINX], {"nginx"})) == labelled(NGINX)
    assert list(select_process_samples(pack("process", always=frozenset({"cron"})), [CRON, NGINX], {"nginx"})) == [
        *labelled(CRON),
        *labelled(NGINX),
    ]


def test_select_process_samples_of_software() -> None:
    """A pack of software collects its executables, busy or not, and only the metrics that it names."""
    wanted = pack("nginx", frozenset({"process.rss.bytes"}))
    assert list(select_process_samples(wanted, [CRON, NGINX], {"cron"})) == [
        Sample("process.rss.bytes", 4096.0, {"process.executable": "nginx"})
    ]


def test_merge_samples_of_one_series() -> None:
    """Of a series that two packs give at one moment the value of the shorter interval counts."""
    slow, quick = Sample("m", 1.0, {"a": "b"}), Sample("m", 2.0, {"a": "b"})
    merged = merge_samples([(pack("process", interval=60), [slow, Sample("n", 3.0)]), (pack("nginx", interval=10), [quick])])
    assert merged == [quick, Sample("n", 3.0)]


def test_active_packs_of_a_disabled_agent() -> None:
    """A disabled agent uses no pack, an enabled one those that it knows."""
    packs = (pack("host.linux"), pack("of.the.future"))
    assert Wanted(packs=packs).active == [packs[0]]
    assert Wanted(enabled=False, packs=packs).active == []
