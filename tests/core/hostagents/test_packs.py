import pytest

from lumetry_core.hostagents.packs import PACKS, PROCESS_METRICS, Usage, WantedPack, check_usage, choose_packs
from lumetry_core.runtime.errors import Fault, LumetryError, Reason

LINUX = (
    "host.cpu.percent",
    "host.memory.percent",
    "host.load1",
    "host.disk.used_percent",
    "host.network.rx_bytes_per_second",
    "host.network.tx_bytes_per_second",
)


def test_packs_are_those_of_the_contract() -> None:
    """All built-in packs are there, ascending, each with metrics that the contract names."""
    assert list(PACKS) == ["host.linux", "host.windows", "iis", "mssql", "mysql", "nginx", "postgres", "process"]
    assert all(set(pack.metrics) <= {*LINUX, *PROCESS_METRICS} for pack in PACKS.values())
    assert "host.load1" not in PACKS["host.windows"].metrics


def test_choose_packs_by_system_and_software() -> None:
    """Software packs are wanted where the software was found, letter case aside; IIS on Windows only."""
    linux = [
        WantedPack("host.linux", 1, LINUX, 60),
        WantedPack("nginx", 1, PROCESS_METRICS, 60),
        WantedPack("process", 1, PROCESS_METRICS, 60),
    ]
    assert choose_packs({}, "linux", ["NGINX", "iis", "redis"]) == linux
    assert [pack.pack_id for pack in choose_packs({}, "windows", ["iis", "mssql"])] == ["host.windows", "iis", "mssql", "process"]
    assert [pack.pack_id for pack in choose_packs({}, "linux", [])] == ["host.linux", "process"]


def test_choose_packs_as_the_organization_decided() -> None:
    """What is disabled is not wanted; intervals are overridden; what any wanted pack always collects, the pack of processes does."""
    usages = {
        "host.linux": Usage(is_enabled=False, always_collect=("ignored",)),
        "nginx": Usage(always_collect=("nginx",)),
        "mysql": Usage(always_collect=("mysqld",)),
        "process": Usage(interval_seconds=10, always_collect=("sshd", "nginx")),
    }
    assert choose_packs(usages, "linux", ["nginx"]) == [
        WantedPack("nginx", 1, PROCESS_METRICS, 60),
        WantedPack("process", 1, PROCESS_METRICS, 10, ("nginx", "sshd")),
    ]


def test_check_usage_keeps_executables_once() -> None:
    """They are trimmed, once each and in order."""
    assert check_usage(Usage(True, 3600, ("sshd", " cron ", "sshd"))) == Usage(True, 3600, ("cron", "sshd"))


@pytest.mark.parametrize("seconds", [9, 3601, 0, -1])
def test_check_usage_refuses_intervals(seconds: int) -> None:
    """The interval alone is out of range, which some contracts tell apart."""
    with pytest.raises(LumetryError) as caught:
        check_usage(Usage(True, seconds))
    assert (caught.value.reason, caught.value.faults) == (
        Reason.OUT_OF_RANGE,
        (Fault("intervalSecondsOverride", "must be between 10 and 3600"),),
    )


def test_check_usage_names_every_fault() -> None:
    """Executables are told by their place; more than a hundred are one fault."""
    with pytest.raises(LumetryError) as caught:
        check_usage(Usage(True, 5, ("a", " ", "b" * 256, "c\n")))
    assert [fault.path for fault in caught.value.faults] == [
        "intervalSecondsOverride",
        "alwaysCollectProcesses[1]",
        "alwaysCollectProcesses[2]",
    ]
    with pytest.raises(LumetryError) as caught:
        check_usage(Usage(True, None, tuple(str(number) for number in range(101))))
    assert caught.value.faults == (Fault("alwaysCollectProcesses", "must have at most 100 elements"),)
