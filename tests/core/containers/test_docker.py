import asyncio
import grp
import os
import ssl
from pathlib import Path

import pytest

from lumetry_core.containers import docker as engine_client
from lumetry_core.containers.docker import connect
from lumetry_core.containers.obstacles import explain, explain_permission
from lumetry_core.containers.places import Candidate, EngineError, EngineIdentity, RuntimeFault
from tests.core.containers.fake_engine import PODMAN_VERSION, FakeEngine, serving


@pytest.fixture
def candidate(tmp_path: Path) -> Candidate:
    """A socket of this host."""
    return Candidate("unix:///engine.sock", socket=str(tmp_path / "engine.sock"))


async def ask_version(candidate: Candidate, timeout_seconds: float = 2.0) -> EngineIdentity:
    """Connects, and hangs up again."""
    engine = await connect(candidate, timeout_seconds)
    await engine.close()
    return engine.identity


async def fault_of(candidate: Candidate, timeout_seconds: float = 2.0) -> tuple[RuntimeFault, str]:
    with pytest.raises(EngineError) as raised:
        await ask_version(candidate, timeout_seconds)
    return raised.value.fault, raised.value.message


async def test_ask_docker_on_socket(candidate: Candidate) -> None:
    """Docker tells its version over its socket."""
    async with serving(FakeEngine(), Path(candidate.socket)):
        assert await ask_version(candidate) == EngineIdentity("docker", "27.3.1", "1.47")


async def test_ask_podman_over_tcp() -> None:
    """Podman's compatible service is told from Docker by its components."""
    async with serving(FakeEngine(PODMAN_VERSION)) as running:
        assert await ask_version(Candidate("tcp://x", host="127.0.0.1", port=running.port)) == EngineIdentity("podman", "5.2.2", "1.41")


async def test_ask_socket_that_is_missing(candidate: Candidate) -> None:
    """No socket, no runtime."""
    assert await fault_of(candidate) == (RuntimeFault.NOT_FOUND, "unix:///engine.sock does not exist.")


async def test_ask_socket_that_nobody_serves(candidate: Candidate) -> None:
    """A socket that was left behind is unreachable."""
    server = await asyncio.start_unix_server(lambda _reader, writer: writer.close(), candidate.socket)
    assert await fault_of(candidate) == (RuntimeFault.UNREACHABLE, "unix:///engine.sock does not answer as a container runtime.")
    server.close()
    await server.wait_closed()
    assert (await fault_of(candidate))[0] in (RuntimeFault.UNREACHABLE, RuntimeFault.NOT_FOUND)


async def test_ask_closed_port() -> None:
    """A port that refuses is unreachable."""
    async with serving(FakeEngine()) as running:
        port = running.port
    expected = (RuntimeFault.UNREACHABLE, "Nothing can be reached at tcp://a:1.")
    assert await fault_of(Candidate("tcp://a:1", host="127.0.0.1", port=port)) == expected


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (FakeEngine(status=500), "unix:///engine.sock answered with status 500."),
        (FakeEngine(text="<html>"), "unix:///engine.sock does not answer as a container runtime."),
        (FakeEngine({"hello": "world"}), "unix:///engine.sock does not answer as a container runtime."),
        (FakeEngine(text="[" * 1_000_000), "unix:///engine.sock does not answer as a container runtime."),
    ],
    ids=["failing", "html", "other", "huge"],
)
async def test_ask_something_else(candidate: Candidate, answer: FakeEngine, message: str) -> None:
    """Whatever else listens there is no runtime, and nothing of its answer is shown."""
    async with serving(answer, Path(candidate.socket)):
        assert await fault_of(candidate) == (RuntimeFault.UNREACHABLE, message)


async def test_ask_silent_engine(candidate: Candidate) -> None:
    """An engine that says nothing is given up."""
    gone = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        gone.set()

    server = await asyncio.start_unix_server(say_nothing, candidate.socket)
    assert await fault_of(candidate, 0.05) == (RuntimeFault.UNREACHABLE, "unix:///engine.sock did not answer within 0.05 s.")
    await gone.wait()
    server.close()
    await server.wait_closed()


async def test_ask_without_certificates(tmp_path: Path) -> None:
    """Certificates that are missing are named by their folder."""
    candidate = Candidate("tcp://a:1", host="127.0.0.1", port=1, tls=True, verify=True, cert_path=str(tmp_path))
    assert await fault_of(candidate) == (RuntimeFault.TLS_ERROR, f"The certificates in {tmp_path} cannot be used.")


async def test_ask_plain_port_over_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine without TLS is told from one that is away."""
    monkeypatch.setattr(engine_client, "build_tls", lambda _candidate: ssl.create_default_context())
    async with serving(FakeEngine()) as running:
        candidate = Candidate("tcp://a:1", host="127.0.0.1", port=running.port, tls=True)
        message = "tcp://a:1 and this process do not accept each other's certificates."
        assert await fault_of(candidate) == (RuntimeFault.TLS_ERROR, message)


def test_explain_socket_of_another_group(candidate: Candidate) -> None:
    """A socket that may not be opened names itself, the group that owns it and how to join it."""
    Path(candidate.socket).touch()
    group = grp.getgrgid(os.getegid()).gr_name
    failure = explain(candidate, PermissionError())
    assert failure.fault is RuntimeFault.PERMISSION_DENIED
    assert f"{candidate.socket} may not be opened by " in failure.message
    assert f"it belongs to the group {group} (gid {os.getegid()})." in failure.message
    Path(candidate.socket).unlink()
    assert "a folder above it is closed" in explain(candidate, PermissionError()).message


def test_explain_ways_to_open_socket() -> None:
    """Whoever may not open the socket is told the command for a host, and the lines for a container."""
    assert explain_permission("/var/run/docker.sock", "lumetry", ("docker", 999)) == (
        "/var/run/docker.sock may not be opened by lumetry; it belongs to the group docker (gid 999). "
        'On a host: "sudo usermod -aG docker lumetry", then restart Lumetry. '
        'In a container: "--group-add 999", or in Compose "group_add: [\'999\']" beside the socket\'s volume.'
    )
    assert explain_permission("/s", "uid 10001", ("", 998)) == (
        "/s may not be opened by uid 10001; it belongs to the group with gid 998, which has no name here. "
        'In a container: "--group-add 998", or in Compose "group_add: [\'998\']" beside the socket\'s volume.'
    )
    assert "open to root only" in explain_permission("/s", "lumetry", ("root", 0))
    assert "rootless engine" in explain_permission("/s", "lumetry", None)
