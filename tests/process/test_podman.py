"""Debian's Podman serves its socket to a real deployment; containers are created, not started."""

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.process.conftest import Deployment, wait_until

PROGRAM = shutil.which("podman")
SECONDS = 40.0


@dataclass
class Podman:
    """An engine with a storage of its own."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        """Where it serves."""
        return self.folder / "podman.sock"

    def command(self, *arguments: str) -> list[str]:
        """A command on its storage."""
        places = ["--root", str(self.folder / "store"), "--runroot", str(self.folder / "run"), "--tmpdir", str(self.folder / "tmp")]
        return [str(PROGRAM), *places, "--storage-driver", "vfs", *arguments]

    def run(self, *arguments: str) -> str:
        """Runs a command."""
        return subprocess.run(self.command(*arguments), check=True, capture_output=True, text=True, timeout=60).stdout.strip()

    def start(self) -> None:
        """Serves the socket."""
        self.process = subprocess.Popen(
            self.command("system", "service", "--time", "0", f"unix://{self.socket}"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self.socket.exists, SECONDS)

    def stop(self) -> None:
        """Serves no longer."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None
        self.socket.unlink(missing_ok=True)


@pytest.fixture
def podman() -> Iterator[Podman]:
    """A running engine with one image; its folder is short enough for a socket."""
    if PROGRAM is None:
        if os.environ.get("CI"):
            pytest.fail("Podman is not installed, and CI must test with it")
        pytest.skip("Podman is not installed")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        engine = Podman(Path(name))
        archive = engine.folder / "image.tar"
        with tarfile.open(archive, "w") as image:
            image.addfile(tarfile.TarInfo("nothing"))
        engine.run("import", str(archive), "shop:1")
        try:
            engine.start()
            yield engine
        finally:
            engine.stop()


def read(deployment: Deployment, path: str) -> Any:
    """The answer to a GET."""
    status, body = deployment.request("GET", path)
    assert status == 200
    return body


def test_watch_podman(deployment: Deployment, podman: Podman) -> None:
    """Containers of a real engine are found, followed, kept while it is away and archived when they are removed."""
    podman.run("create", "--name", "shop", "--label", "lumetry.group=web", "shop:1", "/bin/true")
    deployment.stop()
    deployment.environ |= {"DOCKER_HOST": f"unix://{podman.socket}", "LUMETRY_RUNTIME": "docker"}
    deployment.start()
    wait_until(lambda: read(deployment, "/api/v1/containers")["total"] == 1, SECONDS)
    status = read(deployment, "/api/v1/runtime/status")
    assert (status["connected"], status["metadata"]["engine"]) == (True, "podman")
    [group] = read(deployment, "/api/v1/containers")["groups"]
    [container] = group["containers"]
    assert (group["name"], container["name"], container["image"], container["state"]) == ("web", "shop", "localhost/shop:1", "created")
    number = container["id"]
    assert read(deployment, f"/api/v1/containers/{number}/logs")["lines"] == []

    podman.run("create", "--name", "cart", "shop:1", "/bin/true")
    wait_until(lambda: read(deployment, "/api/v1/containers")["total"] == 2, SECONDS)
    podman.run("rm", "cart")
    wait_until(lambda: read(deployment, "/api/v1/containers")["archived_count"] == 1, SECONDS)

    podman.stop()
    wait_until(lambda: not read(deployment, "/api/v1/runtime/status")["connected"], SECONDS)
    assert read(deployment, f"/api/v1/containers/{number}")["archived"] is False
    assert deployment.request("GET", f"/api/v1/containers/{number}/logs")[0] == 502
    podman.run("rm", "shop")
    podman.run("create", "--name", "shop", "--label", "lumetry.group=new", "shop:1", "/bin/true")
    podman.start()
    wait_until(lambda: read(deployment, f"/api/v1/containers/{number}")["custom_group"] == "new", SECONDS)
