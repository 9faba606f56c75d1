"""Prometheus with rules and Alertmanager behind it, set up to notify as fast as they can: the peer of what happens after a point."""

import shutil
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lumetry_core.bench.connection import BenchError, Connection
from lumetry_core.bench.deployment import Peer, await_start, free_port, is_ready, prometheus_program, run_process, run_prometheus
from lumetry_core.bench.remote_write import field, snappy_opening, varint
from lumetry_core.bench.senders import REMOTE_WRITE_HEADERS
from lumetry_core.bench.usage import ProcessTree, wait_until

NAME = "prometheus + alertmanager"
INTERVAL = "1s"
"""Of evaluation: the shortest that its documentation recommends for anything."""
DISCOVERY_SECONDS = 30.0
EACH_ALERT_ALONE = "..."
"""Alertmanager's way to write that nothing is grouped."""


@dataclass(frozen=True, slots=True)
class AlertingPeer:
    """Both programs running, the first telling the second."""

    prometheus: Peer
    alertmanager: Peer

    @property
    def trees(self) -> tuple[ProcessTree, ProcessTree]:
        """The processes of both."""
        return self.prometheus.tree, self.alertmanager.tree

    def cpu_seconds(self) -> float:
        """What both used so far."""
        return sum(tree.cpu_seconds() for tree in self.trees)

    def describe(self) -> str:
        """Their versions."""
        return f"prometheus {self.prometheus.version} + alertmanager {self.alertmanager.version}"


def alertmanager_program() -> str | None:
    """Where Alertmanager is installed, under Debian's name or its own; None when it is not."""
    return shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")


def missing_programs() -> list[str]:
    """Which of the two are not installed."""
    found = {"prometheus": prometheus_program(), "alertmanager": alertmanager_program()}
    return [name for name, program in found.items() if program is None]


@contextmanager
def run_alertmanager(folder: Path, webhook_url: str = "", group_by: str = "alertname") -> Iterator[Peer]:
    """Starts an Alertmanager that notifies a new group at once; without a URL nobody.

    Raises:
        BenchError: It is not installed or did not become ready.
    """
    program = alertmanager_program()
    if program is None:
        raise BenchError("alertmanager is not installed")
    file, log = folder / "alertmanager.yml", folder / "alertmanager.log"
    file.write_text(alertmanager_config(webhook_url, group_by))
    address = f"127.0.0.1:{free_port()}"
    command = [
        program,
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
        f"--storage.path={folder / 'alertmanager-data'}",
        f"--config.file={file}",
        "--log.level=warn",
    ]
    with run_process(command, log) as process:
        await_start(process, lambda: is_ready(address), "alertmanager", log)
        with Connection(address) as connection:
            version = connection.request("GET", "/api/v2/status").json(200)["versionInfo"]["version"]
        yield Peer(address, version, ProcessTree(process.pid))


@contextmanager
def run_alerting_peer(folder: Path, rules: Sequence[Mapping[str, object]], webhook_url: str, group_by: str) -> Iterator[AlertingPeer]:
    """Starts both with these alerting rules.

    Raises:
        BenchError: One is not installed or did not become ready.
    """
    with ExitStack() as stack:
        alertmanager = stack.enter_context(run_alertmanager(folder, webhook_url, group_by))
        # JSON is YAML as well
        (folder / "rules.yml").write_bytes(msgspec.json.encode({"groups": [{"name": "bench", "interval": INTERVAL, "rules": rules}]}))
        config = prometheus_config(folder / "rules.yml", alertmanager.address)
        prometheus = stack.enter_context(run_prometheus(folder, config))
        if not wait_until(lambda: knows_alertmanager(prometheus), longest_seconds=DISCOVERY_SECONDS):
            raise BenchError("prometheus did not find its alertmanager")
        yield AlertingPeer(prometheus, alertmanager)


def knows_alertmanager(prometheus: Peer) -> bool:
    """Whether alerts are sent already: what fires within the first seconds is told to nobody."""
    with Connection(prometheus.address) as connection:
        return bool(connection.request("GET", "/api/v1/alertmanagers").json(200)["data"]["activeAlertmanagers"])


def alertmanager_config(webhook_url: str, group_by: str) -> str:
    """A configuration that notifies once, at once, and never of recovery."""
    webhooks = [{"url": webhook_url, "send_resolved": False, "max_alerts": 1}] if webhook_url else []
    route = {"receiver": "bench", "group_by": [group_by], "group_wait": "0s", "group_interval": "1h", "repeat_interval": "1h"}
    return msgspec.json.encode({"route": route, "receivers": [{"name": "bench", "webhook_configs": webhooks}]}).decode()


def prometheus_config(rules: Path, alertmanager: str) -> str:
    """A configuration that scrapes nothing, evaluates these rules and tells this Alertmanager."""
    config = {
        "global": {"scrape_interval": "1h", "evaluation_interval": INTERVAL},
        "rule_files": [str(rules)],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
    }
    return msgspec.json.encode(config).decode()


def write_samples(connection: Connection, samples: Sequence[Mapping[str, str]], value: float, time_ms: int) -> None:
    """Writes one sample of each of these label sets; all were accepted when this returns.

    Raises:
        BenchError: They were refused.
    """
    content = b"".join(encode_sample(labels, value, time_ms) for labels in samples)
    body = snappy_opening(len(content)) + content
    head = connection.head("POST", "/api/v1/write", len(body), "application/x-protobuf", REMOTE_WRITE_HEADERS)
    answer = connection.send(head + body)
    if answer.status != 204:
        raise BenchError(f"prometheus answered {answer.status}: {answer.body[:500].decode(errors='replace')}")


def encode_sample(labels: Mapping[str, str], value: float, time_ms: int) -> bytes:
    """`WriteRequest.timeseries` with one sample; labels go in the order of their names."""
    pairs = b"".join(field(1, field(1, name.encode()) + field(2, text.encode())) for name, text in sorted(labels.items()))
    return field(1, pairs + field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + varint(time_ms)))
