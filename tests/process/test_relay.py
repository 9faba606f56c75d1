"""Agents behind a collector: real processes of the product, the collector and the agent, over either transport."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.process.conftest import Deployment, wait_until

SECONDS = 40


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    deployment = Deployment(tmp_path_factory.mktemp("deployment") / "data")
    with ExitStack() as stack:
        stack.callback(lambda: deployment.process and deployment.stop())
        deployment.start()
        yield deployment


@dataclass
class Site:
    """A deployment and the processes on hosts that a test starts."""

    deployment: Deployment
    folder: Path
    stack: ExitStack

    def run(self, name: str, *arguments: str, **environ: str) -> "subprocess.Popen[bytes]":
        """Starts a collector or an agent with a state directory and a log of its name."""
        command = [sys.executable, "-m", "lumetry_core.collectors.agent", "--state-dir", str(self.folder / name), *arguments]
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **environ}, stdin=subprocess.DEVNULL)
        self.stack.callback(process.wait, 30)
        self.stack.callback(process.terminate)
        return process

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def get(self, path: str) -> Any:
        return self.deployment.request("GET", path)[1]

    def send(self, method: str, path: str, body: Any) -> Any:
        status, answer = self.deployment.request(method, path, body)
        assert status in (200, 201), answer
        return answer

    def add_collector(self, name: str, url: str, port: int) -> str:
        """Registers a collector that relays on a port, starts it and gives its identity."""
        added = self.send("POST", "/api/collectors", {"name": name})
        config = {"heartbeatIntervalSeconds": 10, "relay": {"enabled": True, "port": port}}
        self.send("PUT", f"/api/collectors/{added['id']}/config", config)
        self.run(name, "--url", url, LUMETRY_ENROLLMENT_TOKEN=added["enrollmentToken"])
        identity: str = added["id"]
        return identity

    def collector(self, identity: str) -> Any:
        return self.get(f"/api/collectors/{identity}")

    def add_agent(self, name: str, *arguments: str, required: str | None = None) -> None:
        """Makes a profile and starts an agent that enrolls with it."""
        profile = self.send("POST", "/api/agents/enrollment-profiles", {"name": name, "requiredCollectorId": required})
        self.run(name, "--hostname", name, "--host-id", name, *arguments, LUMETRY_ENROLLMENT_TOKEN=profile["enrollmentToken"])

    def find_agent(self, name: str) -> Any:
        return next((agent for agent in self.get("/api/agents")["items"] if agent["hostname"] == name), None)


@pytest.fixture
def site(deployment: Deployment, tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(deployment, tmp_path, stack)


def free_port() -> int:
    with socket.create_server(("0.0.0.0", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_relay_of_an_agent(site: Site, scheme: str) -> None:
    """An agent that must use a collector's relay enrolls, beats, reports and sends points through it, and not without it."""
    url = f"{scheme}://{site.deployment.addresses[scheme]}"
    port = free_port()
    collector = site.add_collector(f"edge-{scheme}", url, port)
    wait_until(lambda: site.collector(collector)["configApplyStatus"] == "applied", SECONDS, lambda: site.log(f"edge-{scheme}"))

    name = f"inside-{scheme}"
    site.add_agent(name, "--url", url, "--collector-url", f"{scheme}://127.0.0.1:{port}", required=collector)
    agent = wait_until(lambda: site.find_agent(name), SECONDS, lambda: site.log(name))
    assert (agent["state"], agent["transport"], agent["collectorId"]) == ("Online", "Collector", collector)
    path = f"/api/agents/{agent['id']}"
    wait_until(lambda: site.get(path)["latest"]["memoryPercent"] is not None, SECONDS, lambda: site.log(name))
    inventory = wait_until(lambda: site.get(f"{path}/process-inventory"), SECONDS, lambda: site.log(name))
    assert any(process["executable"].startswith("python") for process in inventory), inventory

    outside = f"outside-{scheme}"
    site.add_agent(outside, "--url", url, required=collector)
    wait_until(lambda: "knows none: give it the collector's URL" in site.log(outside), SECONDS, lambda: site.log(outside))
    assert collector in site.log(outside)
    assert site.find_agent(outside) is None


def test_relay_on_a_taken_port(site: Site) -> None:
    """A relay that cannot listen makes the configuration rejected, with the reason."""
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        collector = site.add_collector("edge-taken", f"grpc://{site.deployment.addresses['grpc']}", port)
        wait_until(lambda: site.collector(collector)["configApplyStatus"] == "rejected", SECONDS, lambda: site.log("edge-taken"))
    assert site.collector(collector)["configApplyError"].startswith(f"relay.port: port {port} cannot be listened on")
