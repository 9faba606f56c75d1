"""This host: who it is and what it shows."""

import platform
import socket
import time
import uuid
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import psutil
import structlog

from lumetry_core.collectors.agent.reading import CpuTimes, Reading
from lumetry_core.runtime.clock import Clock

log = structlog.get_logger(__name__)

MACHINE_ID_FILES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
HOST_NAMESPACE = uuid.UUID("6f1d2c1e-3a59-4c0e-9d86-1f6f0c6e2b7a")
"""Machine ids must not leave their machine as they are, says systemd's machine-id(5); a hash of one may."""

PSEUDO_FILESYSTEMS = frozenset(
    [
        "autofs",
        "bdev",
        "binfmt_misc",
        "bpf",
        "cgroup",
        "cgroup2",
        "configfs",
        "cpuset",
        "debugfs",
        "devfs",
        "devpts",
        "devtmpfs",
        "efivarfs",
        "fuse.gvfsd-fuse",
        "fuse.lxcfs",
        "fuse.portal",
        "fusectl",
        "hugetlbfs",
        "iso9660",
        "mqueue",
        "nsfs",
        "nullfs",
        "pipefs",
        "proc",
        "procfs",
        "pstore",
        "ramfs",
        "rpc_pipefs",
        "securityfs",
        "selinuxfs",
        "sockfs",
        "squashfs",
        "sysfs",
        "tmpfs",
        "tracefs",
        "udf",
    ]
)
NETWORK_FILESYSTEMS = frozenset(
    [
        "9p",
        "afs",
        "ceph",
        "cifs",
        "davfs",
        "fuse.glusterfs",
        "fuse.sshfs",
        "glusterfs",
        "ncpfs",
        "nfs",
        "nfs4",
        "smb3",
        "smbfs",
    ]
)
"""Asking one whose server is gone blocks, and its space is not this host's."""
LAYERED_FILESYSTEMS = frozenset(["overlay", "aufs"])
"""The root of a container; elsewhere they show the space of what lies below a second time."""
VIRTUAL_INTERFACES = ("lo", "veth", "ifb", "dummy")
VIRTUAL_DEVICES = ("loop", "ram", "zram", "sr", "fd")

Value = TypeVar("Value")


def host_labels(state_folder: Path, own_id: str | None = None, hostname: str | None = None) -> Mapping[str, str]:
    """The reserved labels (contract lumetry 4.5) of every point of this host; `own_id` and `hostname` stand above what it shows."""
    return {
        "host.id": own_id or host_id(state_folder),
        "host.name": hostname or socket.gethostname() or "localhost",
        "os.type": platform.system().lower() or "unknown",
        "arch": platform.machine() or "unknown",
    }


def host_id(state_folder: Path) -> str:
    """The identity of this host: derived from its machine id, else made once and kept in the state directory."""
    for path in MACHINE_ID_FILES:
        machine_id = read_text(path)
        if machine_id:
            return str(uuid.uuid5(HOST_NAMESPACE, machine_id))
    own = state_folder / "host-id"
    known = read_text(own)
    if not known:
        known = str(uuid.uuid4())
        own.write_text(known + "\n")
    return known


def read_text(path: Path) -> str:
    """The stripped content of a small file; empty when it cannot be read."""
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


class Host:
    """Reads this host. What fails is left out and logged once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failing: set[str] = set()

    def read(self) -> Reading:
        """What the host shows now."""
        nothing: Mapping[str, tuple[int, int]] = {}
        return Reading(
            time=self._clock.now(),
            elapsed_seconds=time.monotonic(),
            cpu=self._try("cpu", read_cpu, None),
            memory_percent=self._try("memory", lambda: psutil.virtual_memory().percent, None),
            swap_percent=self._try("swap", read_swap, None),
            load1=self._try("load", lambda: round(psutil.getloadavg()[0], 2), None),
            disk_used_percent=self._try("disk space", read_disk_space, {}),
            disk_bytes=self._try("disk traffic", read_disk_traffic, nothing),
            network_bytes=self._try("network traffic", read_network_traffic, nothing),
        )

    def _try(self, what: str, read: Callable[[], Value], otherwise: Value) -> Value:
        try:
            value = read()
        except (OSError, psutil.Error, NotImplementedError, RuntimeError, ValueError) as error:
            if what not in self._failing:
                log.warning("the host does not show everything", what=what, error=str(error))
                self._failing.add(what)
            return otherwise
        self._failing.discard(what)
        return value


def read_cpu() -> CpuTimes:
    """Time of all cores. Guest time is part of user time; waiting for a disk is idling."""
    times = psutil.cpu_times()._asdict()
    total = sum(times.values()) - times.get("guest", 0.0) - times.get("guest_nice", 0.0)
    return CpuTimes(busy=total - times["idle"] - times.get("iowait", 0.0), total=total)


def read_swap() -> float | None:
    """Swap in use; None on a host without swap."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # psutil misses counters that are not used here
        swap = psutil.swap_memory()
    return swap.percent if swap.total else None


def read_disk_space() -> Mapping[str, float]:
    """Space in use by mount point, as `df` counts it; each device once, under its shortest mount point."""
    chosen: dict[str, str] = {}
    for partition in psutil.disk_partitions(all=True):
        if is_real_filesystem(partition.fstype, partition.mountpoint) and Path(partition.mountpoint).is_dir():
            known = chosen.get(partition.device)
            if known is None or len(partition.mountpoint) < len(known):
                chosen[partition.device] = partition.mountpoint
    used = {}
    for mount in chosen.values():
        usage = psutil.disk_usage(mount)
        if usage.total:
            used[mount] = usage.percent
    return used


def is_real_filesystem(kind: str, mount: str) -> bool:
    """Whether a file system of the kind, mounted there, holds this host's own data."""
    if kind in PSEUDO_FILESYSTEMS or kind in NETWORK_FILESYSTEMS or not kind:
        return False
    return kind not in LAYERED_FILESYSTEMS or mount == "/"


def read_disk_traffic() -> Mapping[str, tuple[int, int]]:
    """Bytes read and written since boot, by whole device."""
    counters = psutil.disk_io_counters(perdisk=True) or {}
    blocks = Path("/sys/block")
    whole = {entry.name for entry in blocks.iterdir()} if blocks.is_dir() else set(counters)
    return {
        device: (counter.read_bytes, counter.write_bytes)
        for device, counter in counters.items()
        if device in whole and not device.startswith(VIRTUAL_DEVICES)
    }


def read_network_traffic() -> Mapping[str, tuple[int, int]]:
    """Bytes received and sent since boot, by interface that reaches beyond this host."""
    return {
        interface: (counter.bytes_recv, counter.bytes_sent)
        for interface, counter in psutil.net_io_counters(pernic=True).items()
        if not interface.startswith(VIRTUAL_INTERFACES)
    }
