import uuid
from pathlib import Path

import psutil
import pytest

from lumetry_core.collectors.agent import host
from lumetry_core.collectors.agent.host import Host, host_id, host_labels, is_real_filesystem
from lumetry_core.collectors.agent.reading import measure
from lumetry_core.runtime.clock import Clock


def test_read_shows_this_host(clock: Clock) -> None:
    """A real host has a processor, memory and a root file system, within bounds."""
    reading = Host(clock).read()
    assert reading.time == clock.now()
    assert reading.cpu is not None
    assert 0 < reading.cpu.busy < reading.cpu.total
    assert reading.memory_percent is not None
    assert 0 < reading.memory_percent <= 100
    assert "/" in reading.disk_used_percent
    assert all(0 <= percent <= 100 for percent in reading.disk_used_percent.values())
    assert "lo" not in reading.network_bytes
    assert not [device for device in reading.disk_bytes if device.startswith("loop")]
    assert {sample.metric_key for sample in measure(reading, Host(clock).read())} >= {"host.memory.percent", "host.disk.used_percent"}


def test_read_leaves_out_what_fails(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that cannot be read costs its own values only."""

    def fail(**_options: object) -> None:
        raise PermissionError("hidden")

    monkeypatch.setattr(psutil, "disk_io_counters", fail)
    reading = Host(clock).read()
    assert reading.disk_bytes == {}
    assert reading.memory_percent is not None


@pytest.mark.parametrize(
    ("kind", "mount", "real"),
    [
        ("ext4", "/", True),
        ("xfs", "/var", True),
        ("overlay", "/", True),
        ("overlay", "/var/lib/docker/overlay2/x/merged", False),
        ("tmpfs", "/run", False),
        ("squashfs", "/snap/core/1", False),
        ("nfs4", "/mnt/far", False),
        ("cgroup2", "/sys/fs/cgroup", False),
        ("", "/odd", False),
    ],
)
def test_is_real_filesystem_leaves_out_pseudo_and_remote_ones(kind: str, mount: str, real: bool) -> None:
    """Only space of this host counts, once."""
    assert is_real_filesystem(kind, mount) is real


def test_host_id_hides_the_machine_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The identity is stable and derived, so that the machine id stays on its machine."""
    file = tmp_path / "machine-id"
    file.write_text("3d1219c7c4c5404aaa1f6d2a48adfda4\n")
    monkeypatch.setattr(host, "MACHINE_ID_FILES", (tmp_path / "missing", file))
    assert host_id(tmp_path) == host_id(tmp_path / "elsewhere")
    assert "3d1219c7c4c5404aaa1f6d2a48adfda4" not in host_id(tmp_path).replace("-", "")


def test_host_id_is_made_once_without_a_machine_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host without machine id gets an identity that stays in the state directory."""
    monkeypatch.setattr(host, "MACHINE_ID_FILES", (tmp_path / "missing",))
    first = host_id(tmp_path)
    assert uuid.UUID(first).version == 4
    assert host_id(tmp_path) == first


def test_host_labels_are_the_reserved_ones(tmp_path: Path) -> None:
    """Every point of the host carries these, none of them empty."""
    labels = host_labels(tmp_path)
    assert list(labels) == ["host.id", "host.name", "os.type", "arch"]
    assert all(labels.values())
