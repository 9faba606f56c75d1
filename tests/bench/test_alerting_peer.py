import struct
from pathlib import Path

import msgspec
import pytest

from lumetry_core.bench.alerting_peer import (
    alertmanager_config,
    encode_sample,
    prometheus_config,
    write_samples,
)
from lumetry_core.bench.connection import BenchError, Connection
from lumetry_core.bench.deployment import prometheus_program, run_prometheus
from lumetry_core.bench.remote_write import field, varint
from lumetry_core.runtime.clock import SystemClock, to_ms


def test_encode_sample_sorts_labels() -> None:
    """Remote-write wants labels in the order of their names."""
    name, host = (field(1, field(1, key) + field(2, value)) for key, value in ((b"__name__", b"up"), (b"host", b"a")))
    sample = field(2, b"\x09" + struct.pack("<d", 1.5) + b"\x10" + varint(1000))
    assert encode_sample({"host": "a", "__name__": "up"}, 1.5, 1000) == field(1, name + host + sample)


def test_alertmanager_waits_for_no_group() -> None:
    """Whatever it is measured for, the peer notifies at once and once."""
    config = msgspec.json.decode(alertmanager_config("http://127.0.0.1:1/peer", "..."))
    assert config["route"] == {
        "receiver": "bench",
        "group_by": ["..."],
        "group_wait": "0s",
        "group_interval": "1h",
        "repeat_interval": "1h",
    }
    assert config["receivers"][0]["webhook_configs"][0]["url"] == "http://127.0.0.1:1/peer"
    assert msgspec.json.decode(alertmanager_config("", "..."))["receivers"] == [{"name": "bench", "webhook_configs": []}]


def test_prometheus_evaluates_each_second() -> None:
    """It scrapes nothing, so that all its work is the rules'."""
    config = msgspec.json.decode(prometheus_config(Path("/rules.yml"), "127.0.0.1:9093"))
    assert config["global"] == {"scrape_interval": "1h", "evaluation_interval": "1s"}
    assert config["alerting"]["alertmanagers"] == [{"static_configs": [{"targets": ["127.0.0.1:9093"]}]}]


@pytest.mark.skipif(prometheus_program() is None, reason="prometheus is not installed")
def test_write_samples_fails_when_they_are_refused(tmp_path: Path) -> None:
    """What the peer does not take must not be measured."""
    now = to_ms(SystemClock().now())
    with run_prometheus(tmp_path) as peer, Connection(peer.address) as connection:
        write_samples(connection, [{"__name__": "bench", "host": "a"}, {"__name__": "bench", "host": "b"}], 100.0, now)
        with pytest.raises(BenchError, match="prometheus answered 400"):
            write_samples(connection, [{"__name__": "bench", "host": "a"}], 1.0, now - 60_000)
