from pathlib import Path

import pytest

from lumetry_core.containers.model import (
    Candidate,
    EngineError,
    RuntimeFault,
    RuntimeSettings,
    list_candidates,
    most_telling,
    read_settings,
)

DOCKER = Candidate("unix:///var/run/docker.sock", socket="/var/run/docker.sock")
PODMAN = Candidate("unix:///run/podman/podman.sock", socket="/run/podman/podman.sock")


def test_read_settings_of_environment() -> None:
    """Docker's own variables count, and an empty variable is none."""
    environ = {
        "LUMETRY_RUNTIME": "",
        "DOCKER_HOST": "tcp://engine:2376",
        "DOCKER_TLS_VERIFY": "0",
        "DOCKER_CERT_PATH": "/certificates",
        "XDG_RUNTIME_DIR": "/run/user/7",
    }
    assert read_settings({}) == RuntimeSettings()
    assert read_settings(environ) == RuntimeSettings("auto", "tcp://engine:2376", True, "/certificates", "/run/user/7")


@pytest.mark.parametrize(("runtime", "named"), [("swarm", "must be auto"), ("kubernetes", "package extra `kubernetes`")])
def test_refuse_runtime(runtime: str, named: str) -> None:
    """An unknown runtime, or one whose extra is not installed, ends the start with a clear message."""
    with pytest.raises(ValueError, match=named):
        read_settings({"LUMETRY_RUNTIME": runtime})


def test_list_candidates_in_order() -> None:
    """DOCKER_HOST comes first, then the known sockets."""
    user = Candidate("unix:///run/user/7/podman/podman.sock", socket="/run/user/7/podman/podman.sock")
    assert list_candidates(RuntimeSettings()) == [DOCKER, PODMAN]
    named = RuntimeSettings(docker_host="unix:///engine.sock", runtime_dir="/run/user/7")
    assert list_candidates(named) == [Candidate("unix:///engine.sock", socket="/engine.sock"), DOCKER, user, PODMAN]


def test_list_candidates_of_docker() -> None:
    """Who asks for Docker at a host gets no other."""
    settings = RuntimeSettings(runtime="docker", docker_host="tcp://engine")
    assert list_candidates(settings) == [
        Candidate("tcp://engine:2375", host="engine", port=2375, cert_path=str(Path.home() / ".docker")),
    ]


@pytest.mark.parametrize(
    ("settings", "candidate"),
    [
        (
            RuntimeSettings(docker_host="tcp://[::1]:99", docker_cert_path="/c"),
            Candidate("tcp://[::1]:99", host="[::1]", port=99, tls=True, cert_path="/c"),
        ),
        (
            RuntimeSettings(docker_host="tcp://engine.example", docker_tls_verify=True, docker_cert_path="/c"),
            Candidate("tcp://engine.example:2376", host="engine.example", port=2376, tls=True, verify=True, cert_path="/c"),
        ),
    ],
    ids=["certificates", "verified"],
)
def test_list_candidates_over_tls(settings: RuntimeSettings, candidate: Candidate) -> None:
    """Certificates mean TLS; the port follows."""
    assert list_candidates(settings)[0] == candidate


@pytest.mark.parametrize(
    "address", ["unix://engine.sock", "ssh://engine", "tcp://", "tcp://a:b", "tcp://a:70000", "tcp://user@a", "engine"]
)
def test_refuse_docker_host(address: str) -> None:
    """An address that is neither a socket nor TCP is told, without repeating it."""
    with pytest.raises(EngineError) as raised:
        list_candidates(RuntimeSettings(docker_host=address))
    assert (raised.value.fault, raised.value.message) == (
        RuntimeFault.UNREACHABLE,
        "DOCKER_HOST must look like unix:///path or tcp://host:port.",
    )


def test_tell_most_of_failures() -> None:
    """A socket that cannot be opened says more than sockets that do not exist."""
    missing, closed = EngineError(RuntimeFault.NOT_FOUND, "a"), EngineError(RuntimeFault.PERMISSION_DENIED, "b")
    assert most_telling([("x", missing), ("y", closed), ("z", missing)]) == ("y", closed)
    assert most_telling([("x", missing)]) == ("x", missing)
    address, failure = most_telling([("x", missing), ("y", missing)])
    assert (address, failure.fault, failure.message) == ("", RuntimeFault.NOT_FOUND, "No container runtime was found.")
