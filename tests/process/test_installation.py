"""The installation scripts, run for real below a folder of their own, with a systemd that starts what the unit says."""

import hashlib
import os
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from gateway.install.files import build_installation, read_source
from tests.process.conftest import Deployment, wait_until

pytestmark = pytest.mark.skipif(find_spec("ensurepip") is None, reason="this Python makes no virtual environments")

SYSTEMCTL = '''#!{python} -I
"""Knows one unit below {root}: runs what it says, with its environment, where its paths lead."""
import os, pathlib, re, signal, subprocess, sys

root = pathlib.Path({root!r})
words = [word for word in sys.argv[1:] if not word.startswith("-")]
with (root / "systemctl.log").open("a") as log:
    log.write(" ".join(words) + "\\n")
pid_file = root / "pid"


def alive():
    try:
        return bool(pid_file.exists()) and pathlib.Path(f"/proc/{{pid_file.read_text()}}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def place(text):
    return re.sub(r"(?<![\\w/])/(etc|var|usr)/", lambda found: f"{{root}}/{{found[1]}}/", text)


def stop():
    if alive():
        os.kill(int(pid_file.read_text()), signal.SIGTERM)
    pid_file.unlink(missing_ok=True)


def start(unit):
    environ = {{"PATH": os.environ["PATH"], "PYTHONPATH": {libraries!r}}}
    command = ""
    for line in place((root / "etc/systemd/system" / f"{{unit}}.service").read_text()).splitlines():
        name, _, value = line.partition("=")
        if name == "Environment":
            environ |= dict(word.split("=", 1) for word in value.split())
        elif name == "EnvironmentFile":
            path = pathlib.Path(value.lstrip("-"))
            if path.exists() or not value.startswith("-"):
                for setting in path.read_text().splitlines():
                    key, _, quoted = setting.partition("=")
                    environ[key] = re.sub(r'\\\\(["\\\\`$])', r"\\1", quoted[1:-1])
        elif name == "ExecStart":
            command = value
    with (root / "journal").open("ab") as journal:
        process = subprocess.Popen([command], env=environ, stdout=journal, stderr=journal, stdin=subprocess.DEVNULL, start_new_session=True)
    pid_file.write_text(str(process.pid))


if words[0] == "restart":
    stop()
    start(words[1])
elif words[0] == "disable":
    stop()
elif words[0] == "is-active":
    sys.exit(0 if alive() else 3)
'''
USERADD = """#!/bin/sh
printf '%s\\n' "$*" >>'{root}/useradd.log'
"""
ID = """#!/bin/sh
if [ "$1" = -u ]; then
    echo "${{FAKE_UID:-0}}"
else
    [ -f '{root}/useradd.log' ]
fi
"""


@dataclass
class Host:
    """A folder that stands for a host."""

    root: Path

    def __post_init__(self) -> None:
        self.root.mkdir()
        programs = self.root / "programs"
        programs.mkdir()
        facts = {"python": sys.executable, "root": str(self.root), "libraries": sysconfig.get_paths()["purelib"]}
        for name, source in {"systemctl": SYSTEMCTL, "useradd": USERADD, "id": ID}.items():
            (programs / name).write_text(source.format(**facts))
            (programs / name).chmod(0o755)

    def run(self, script: bytes, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        """Runs an installation script."""
        path = self.root / "install.sh"
        path.write_bytes(script)
        offline = {"PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1"}  # the libraries are those of this test
        search = f"{self.root / 'programs'}:{os.environ['PATH']}"
        command = ["sh", str(path), "--root", str(self.root), "--python", sys.executable, *arguments]
        known = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        environ = {**known, **offline, "PATH": search, **environ}
        return subprocess.run(command, check=False, capture_output=True, text=True, env=environ, timeout=180)

    def stop(self) -> None:
        if (self.root / "pid").exists():
            subprocess.run([self.root / "programs" / "systemctl", "disable"], check=True)

    def read(self, path: str) -> str:
        return (self.root / path).read_text()

    def describe(self) -> str:
        return self.read("journal") if (self.root / "journal").exists() else "nothing was started"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    host = Host(tmp_path / "host")
    yield host
    host.stop()


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    deployment = Deployment(tmp_path_factory.mktemp("deployment") / "data")
    try:
        deployment.start()
        yield deployment
    finally:
        deployment.stop()


def fetch(deployment: Deployment, path: str) -> bytes:
    """A public file of a deployment."""
    import urllib.request  # noqa: PLC0415

    with urllib.request.urlopen(f"http://{deployment.addresses['http']}{path}", timeout=30) as answer:
        content: bytes = answer.read()
        return content


TOKEN = ("--enrollment-token", "lmtae_x")
BACKEND = ("--backend-url", "http://127.0.0.1:9")


def list_agents(deployment: Deployment) -> list[Any]:
    found: list[Any] = deployment.request("GET", "/api/agents")[1]["items"]
    return found


def test_install_agent(deployment: Deployment, host: Host) -> None:
    """The script that the console names installs an agent that enrolls; again it changes nothing; at last it removes what it brought."""
    backend = f"http://{deployment.addresses['http']}"
    profile = deployment.request("POST", "/api/agents/enrollment-profiles", {"name": "hosts"})[1]
    token = profile["enrollmentToken"]
    deployment.request("POST", "/api/agents/host-clusters", {"displayName": 'Web "A" $1 `x` \\ servers'})
    named = deployment.request("GET", "/api/deployments/agent-installer")[1]
    assert (named["endpoint"], named["windows"]) == (backend, None)
    script = fetch(deployment, named["linux"]["url"].removeprefix(backend))
    assert hashlib.sha256(script).hexdigest() == named["linux"]["sha256"]

    options = ("--backend-url", f"{backend}/", "--cluster", 'web "a" $1 `X` \\ servers')
    refused = host.run(script, *options, *TOKEN)
    assert refused.returncode == 0, refused.stderr
    assert "it has not enrolled yet: journalctl -u lumetry-agent says why" in refused.stdout
    assert "refuses the enrollment token" in host.describe()
    waiting = host.root / "etc/lumetry/agent-enrollment.env"
    assert (waiting.read_text(), stat.S_IMODE(waiting.stat().st_mode)) == ('LUMETRY_ENROLLMENT_TOKEN="lmtae_x"\n', 0o600)

    done = host.run(script, *options, LUMETRY_ENROLLMENT_TOKEN=token)
    assert done.returncode == 0, done.stderr + host.describe()
    assert "lumetry-agent: enrolled" in done.stdout
    assert token not in done.stdout + done.stderr
    [agent] = list_agents(deployment)
    assert (agent["state"], agent["clusterName"], agent["transport"]) == ("Online", 'Web "A" $1 `x` \\ servers', "Direct")
    assert not waiting.exists()
    assert stat.S_IMODE((host.root / "etc/lumetry/agent.env").stat().st_mode) == 0o600
    assert host.read("etc/systemd/system/lumetry-agent.service").encode() == read_source("lumetry-agent.service")
    assert host.read("systemctl.log").splitlines()[:3] == ["daemon-reload", "enable lumetry-agent", "restart lumetry-agent"]
    assert host.read("useradd.log").split()[-1] == "lumetry-agent"

    again = host.run(script, *options)
    assert again.returncode == 0, again.stderr
    assert f"version {named['linux']['version']} is installed already" in again.stdout
    assert len(host.read("useradd.log").splitlines()) == 1
    seen = agent["lastSeenAt"]
    wait_until(lambda: list_agents(deployment)[0]["lastSeenAt"] > seen, 20, host.describe)
    assert [each["id"] for each in list_agents(deployment)] == [agent["id"]]

    removed = host.run(script, "--uninstall")
    assert removed.returncode == 0, removed.stderr
    left = {path.relative_to(host.root).as_posix() for path in host.root.rglob("lumetry-agent*")}
    assert left == {"var/lib/lumetry-agent"}


def test_install_collector(deployment: Deployment, host: Host) -> None:
    """The other script installs a collector that enrolls with its single-use token."""
    backend = f"http://{deployment.addresses['http']}"
    token = deployment.request("POST", "/api/collectors", {"name": "installed"})[1]["enrollmentToken"]
    script = fetch(deployment, "/install/install-collector.sh")
    done = host.run(script, "--backend-url", backend, "--url", f"grpc://{deployment.addresses['grpc']}", "--enrollment-token", token)
    assert done.returncode == 0, done.stderr + host.describe()
    assert "lumetry-collector: enrolled" in done.stdout
    beaten = wait_until(lambda: deployment.request("GET", "/api/collectors")[1][0]["version"], 40, host.describe)
    [collector] = deployment.request("GET", "/api/collectors")[1]
    assert (collector["name"], collector["status"], beaten) == ("installed", "active", build_installation().version)


def served(mode: str = "agent") -> bytes:
    return build_installation().scripts[f"install-{mode}.sh"].content


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (TOKEN, "--backend-url is missing; --help shows what there is"),
        (("--backend-url", "grpc://h:1", *TOKEN), "--backend-url: grpc://h:1 is no http:// or https:// address; --url takes the others"),
        (BACKEND, "--enrollment-token is missing, and this host has not enrolled yet"),
        ((*BACKEND, "--enrollment-token", "$(reboot)"), "--enrollment-token: this is no enrollment token"),
        ((*BACKEND, *TOKEN, "--cluster", "a", "--cluster-id", "b"), "give --cluster or --cluster-id, not both"),
        ((*BACKEND, *TOKEN, "--collector-url", "h:4319"), "--collector-url: expected http://host:port or grpc://host:port"),
        ((*BACKEND, *TOKEN, "--cluster", "a\nb"), "--cluster: a value has one line"),
        (
            (*BACKEND, *TOKEN, "--python", "no-such-python"),
            "no-such-python is missing: install Python 3.11 or newer, or name it with --python",
        ),
        ((*BACKEND, *TOKEN, "--nonsense", "x"), "unknown option --nonsense; --help shows what there is"),
        ((*BACKEND, *TOKEN), "the package could not be fetched"),
    ],
)
def test_refuse_to_install(host: Host, arguments: tuple[str, ...], said: str) -> None:
    """What cannot work is said, and nothing is changed."""
    done = host.run(served(), *arguments)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"lumetry-agent: {said}"
    assert not any((host.root / name).exists() for name in ("etc", "usr", "var", "systemctl.log", "useradd.log"))


def test_refuse_to_install_without_root(host: Host) -> None:
    """Only root can install."""
    done = host.run(served(), *BACKEND, *TOKEN, FAKE_UID="1000")
    assert (done.returncode, done.stderr) == (1, "lumetry-agent: this needs root: run it with sudo\n")


def test_refuse_to_install_another_package(host: Host, tmp_path: Path) -> None:
    """A package with another checksum than the script's is not installed."""
    other = tmp_path / "other.whl"
    other.write_bytes(b"something else")
    done = host.run(served(), *BACKEND, *TOKEN, "--package", str(other))
    assert done.returncode == 1
    assert f"the package has the checksum {hashlib.sha256(b'something else').hexdigest()}, expected is " in done.stderr
    assert not (host.root / "usr").exists()
