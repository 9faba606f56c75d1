from dataclasses import replace
from pathlib import Path

import pytest

from lumetry_core.containers.places import (
    Candidate,
    EngineError,
    KubernetesSettings,
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
    assert read_settings({}, has_extra=False) == RuntimeSettings()
    assert read_settings(environ, has_extra=False) == RuntimeSettings("auto", "tcp://engine:2376", True, "/certificates", "/run/user/7")


@pytest.mark.parametrize(("runtime", "named"), [("swarm", "must be auto"), ("kubernetes", "package extra `kubernetes`")])
def test_refuse_runtime(runtime: str, named: str) -> None:
    """An unknown runtime, or one whose extra is not installed, ends the start with a clear message."""
    with pytest.raises(ValueError, match=named):
        read_settings({"LUMETRY_RUNTIME": runtime}, has_extra=False)


def test_read_settings_of_cluster() -> None:
    """With the extra the variables of Kubernetes count, and which namespaces to watch."""
    environ = {
        "LUMETRY_RUNTIME": "kubernetes",
        "KUBERNETES_SERVICE_HOST": "10.96.0.1",
        "KUBERNETES_SERVICE_PORT": "443",
        "KUBECONFIG": "/cluster",
        "LUMETRY_K8S_NAMESPACES": "shop, test,shop",
        "LUMETRY_K8S_EXCLUDE_NAMESPACES": "kube-system",
    }
    assert read_settings(environ, has_extra=True) == RuntimeSettings(
        "kubernetes",
        kubernetes=KubernetesSettings(
            host="10.96.0.1", port="443", kubeconfig="/cluster", namespaces=("shop", "test"), excluded_namespaces=("kube-system",)
        ),
        has_kubernetes=True,
    )
    assert read_settings({}, has_extra=True).has_kubernetes


@pytest.mark.parametrize("variable", ["LUMETRY_K8S_NAMESPACES", "LUMETRY_K8S_EXCLUDE_NAMESPACES"])
def test_refuse_namespaces(variable: str) -> None:
    """A name that no namespace can have ends the start."""
    with pytest.raises(ValueError, match=variable):
        read_settings({variable: "shop,../x"}, has_extra=True)


def test_refuse_to_exclude_everything() -> None:
    """Namespaces that are all excluded are a mistake, not the wish for all others."""
    with pytest.raises(ValueError, match="leaves nothing"):
        read_settings({"LUMETRY_K8S_NAMESPACES": "shop", "LUMETRY_K8S_EXCLUDE_NAMESPACES": "shop,test"}, has_extra=True)


def test_list_candidates_with_clusters() -> None:
    """The cluster of this pod comes after DOCKER_HOST and before the sockets, the one of a person's file last."""
    found = KubernetesSettings(host="::1", port="443", kubeconfig="/cluster")
    pod = Candidate("https://[::1]:443", kubernetes=found)
    person = Candidate("/cluster", kubernetes=KubernetesSettings(kubeconfig="/cluster"))
    named = Candidate("unix:///engine.sock", socket="/engine.sock")
    settings = RuntimeSettings(docker_host="unix:///engine.sock", kubernetes=found, has_kubernetes=True)
    assert list_candidates(settings) == [named, pod, DOCKER, PODMAN, person]
    assert list_candidates(replace(settings, runtime="kubernetes")) == [pod, person]
    assert list_candidates(replace(settings, runtime="docker")) == [named]
    assert list_candidates(replace(settings, has_kubernetes=False)) == [named, DOCKER, PODMAN]
    home = str(Path.home() / ".kube" / "config")
    assert list_candidates(RuntimeSettings("kubernetes", has_kubernetes=True)) == [
        Candidate(home, kubernetes=KubernetesSettings(kubeconfig=home)),
    ]
    assert [each.runtime_type for each in list_candidates(settings)] == ["docker", "kubernetes", "docker", "docker", "kubernetes"]


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
    assert (address, failure.fault, failure.message) == (None, RuntimeFault.NOT_FOUND, "No container runtime was found.")
