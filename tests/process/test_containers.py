"""A real deployment watches an engine over its socket, and is killed in between."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.process.conftest import Deployment, wait_until
from tests.process.engine import RunningEngine, running_engine

SECONDS = 40.0


@pytest.fixture
def host() -> Iterator[RunningEngine]:
    with running_engine() as running:
        yield running


def test_keep_down_time_over_kill(deployment: Deployment, host: RunningEngine) -> None:
    """A container that fails alerts once, though the deployment is killed while the time runs; it resolves when it starts."""
    shop = host.do(lambda engine: engine.run("shop"))
    deployment.stop()
    deployment.environ |= {
        "DOCKER_HOST": f"unix://{host.socket}",
        "LUMETRY_RUNTIME": "docker",
        "LUMETRY_CONTAINER_DOWN_AFTER": "5s",
    }
    deployment.start()

    def state() -> str:
        groups = deployment.request("GET", "/api/v1/containers")[1]["groups"]
        return groups[0]["containers"][0]["state"] if groups else ""

    def alerts() -> list[tuple[str, str]]:
        found = deployment.request("GET", "/api/v1/alerts")[1]["alerts"]
        return [(alert["alert_type"], alert["status"]) for alert in found]

    wait_until(lambda: state() == "running", SECONDS)
    host.do(lambda engine: engine.write(shop, "boom"))
    host.do(lambda engine: engine.die(shop, 1))
    wait_until(lambda: state() == "exited", SECONDS)
    [failed, _] = deployment.request("GET", "/api/v1/containers/1/transitions")[1]["transitions"]
    assert (failed["new_state"], failed["exit_code"], failed["log_snippet"]) == ("exited", 1, "boom")
    assert deployment.request("GET", "/api/v1/containers/1/logs")[1]["lines"] == ["boom"]
    assert alerts() == []
    assert deployment.process is not None
    children = deployment.children()
    for number in (deployment.process.pid, *children.values()):
        signal_quietly(number)
    deployment.process.wait(SECONDS)
    deployment.start()
    wait_until(lambda: alerts() == [("container_down", "active")], SECONDS)
    host.do(lambda engine: engine.start(shop))
    wait_until(lambda: alerts() == [("container_down", "resolved")], SECONDS)


def signal_quietly(number: int) -> None:
    """Kills a process that may be gone."""
    with suppress(ProcessLookupError):
        os.kill(number, signal.SIGKILL)
