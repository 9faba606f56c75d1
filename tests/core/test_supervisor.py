import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from lumetry_core.supervisor import Child, Commands, StartError, commands, supervise

STUB = '''#!{python}
"""Plays a role: binds its address, tells it, and notes in the journal what happens to it."""
import json, os, signal, socket, sys
from pathlib import Path

role, folder, *arguments = sys.argv[1:]
folder = Path(folder)
given = dict(zip(arguments[::2], arguments[1::2]))


def note(event):
    with (folder / "journal").open("a") as journal:
        journal.write(json.dumps([role, event, os.getpid(), given]) + "\\n")


def end(*_):
    note("stopped")
    sys.exit(0)


behaviour = (folder / role).read_text() if (folder / role).exists() else ""
note("started")
if behaviour == "fails":
    sys.exit(3)
host, _, port = given.get("--grpc", given.get("--http", "127.0.0.1:0")).rpartition(":")
listening = socket.socket()
listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listening.bind((host, int(port)))
listening.listen()
signal.signal(signal.SIGTERM, signal.SIG_IGN if behaviour == "stubborn" else end)
if behaviour != "silent":
    address = host + ":" + str(listening.getsockname()[1])
    with os.fdopen(int(given["--ready-fd"]), "w") as pipe:
        pipe.write(behaviour if behaviour == "garbage" else json.dumps({{"address": address}}))
        pipe.write("\\n")
sys.stdin.read()
note("orphaned")
'''


async def until(condition: Callable[[], Any]) -> Any:
    """Waits for something that real processes do."""
    async with asyncio.timeout(20):
        while not (found := condition()):  # noqa: ASYNC110 -- processes cannot set events of ours
            await asyncio.sleep(0.01)
        return found


@dataclass
class Stage:
    """A folder in which stubs play the roles, and what they noted."""

    folder: Path
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def program(self) -> Path:
        return self.folder / "stub"

    def command(self, role: str) -> list[str]:
        return [str(self.program), role, str(self.folder)]

    def behave(self, role: str, how: str) -> None:
        """Decides what the role does when it starts next."""
        (self.folder / role).write_text(how)

    def journal(self, *events: str) -> list[tuple[str, str]]:
        """Role and event of what happened, in order."""
        return [(role, event) for role, event, _pid, _given in self.entries() if not events or event in events]

    def entries(self) -> list[Any]:
        journal = self.folder / "journal"
        return [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []

    def starts(self, role: str) -> list[tuple[int, dict[str, str]]]:
        """Process id and options of each start of a role."""
        return [(pid, given) for who, event, pid, given in self.entries() if (who, event) == (role, "started")]

    @property
    def addresses(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.folder / "addresses.json").read_text())
        return found

    def is_listening(self, role: str, address: str) -> bool:
        """Whether the newest process of a role listens on an address."""
        try:
            connections = psutil.Process(self.starts(role)[-1][0]).net_connections("tcp4")
        except psutil.Error:
            return False
        return any(f"{each.laddr.ip}:{each.laddr.port}" == address for each in connections)

    async def supervise(self) -> None:
        await supervise(Commands(self.command("core"), self.command("gateway")), self.folder, self.stop, self.ready)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = Stage(tmp_path)
    made.program.write_text(STUB.format(python=sys.executable))
    made.program.chmod(0o755)
    return made


@asynccontextmanager
async def running(stage: Stage) -> AsyncIterator[None]:
    """Both roles serve inside the block and are drained at its end."""
    task = asyncio.create_task(stage.supervise())
    try:
        await until(lambda: stage.ready.is_set() or task.done())
        yield
    finally:
        stage.stop.set()
        await task


async def test_supervise_tells_where_both_roles_serve(stage: Stage) -> None:
    """The gateway is started with the core's address; the file names both."""
    async with running(stage):
        addresses = stage.addresses
        assert set(addresses) == {"http", "grpc"}
        [(_pid, core)], [(_other, gateway)] = stage.starts("core"), stage.starts("gateway")
        assert (set(core), set(gateway), gateway["--core"]) == ({"--ready-fd"}, {"--core", "--ready-fd"}, addresses["grpc"])
        assert stage.is_listening("core", addresses["grpc"])
        assert stage.is_listening("gateway", addresses["http"])


async def test_supervise_drains_gateway_before_core(stage: Stage) -> None:
    """The core still answers what the gateway has taken; each is asked once."""
    async with running(stage):
        pass
    assert stage.journal() == [("core", "started"), ("gateway", "started"), ("gateway", "stopped"), ("core", "stopped")]


@pytest.mark.parametrize(("role", "option", "name"), [("core", "--grpc", "grpc"), ("gateway", "--http", "http")])
async def test_supervise_starts_a_crashed_role_again_on_its_address(stage: Stage, role: str, option: str, name: str) -> None:
    """Clients find it where it was; the other role is left alone."""
    async with running(stage):
        addresses = stage.addresses
        os.kill(stage.starts(role)[0][0], signal.SIGKILL)
        await until(lambda: len(stage.starts(role)) == 2)
        assert stage.starts(role)[1][1][option] == addresses[name]
        await until(lambda: stage.is_listening(role, addresses[name]))
        assert stage.addresses == addresses
    assert stage.journal("started").count((role, "started")) == 2
    assert len(stage.journal("started")) == 3
    assert stage.journal("stopped") == [("gateway", "stopped"), ("core", "stopped")]


async def test_supervise_keeps_trying_while_starts_fail(stage: Stage) -> None:
    """A role that cannot start yet is started until it does."""
    async with running(stage):
        address = stage.addresses["grpc"]
        stage.behave("core", "fails")
        os.kill(stage.starts("core")[0][0], signal.SIGKILL)
        await until(lambda: len(stage.starts("core")) >= 3)
        stage.behave("core", "")
        await until(lambda: stage.is_listening("core", address))
    assert stage.journal("stopped") == [("gateway", "stopped"), ("core", "stopped")]


async def test_supervise_keeps_trying_while_the_program_is_missing(stage: Stage) -> None:
    """Neither a program that is being replaced nor one that talks nonsense ends the supervision."""
    aside = stage.folder / "aside"
    async with running(stage):
        address = stage.addresses["http"]
        stage.behave("gateway", "garbage")
        stage.program.rename(aside)
        os.kill(stage.starts("gateway")[0][0], signal.SIGKILL)
        await until(lambda: not psutil.pid_exists(stage.starts("gateway")[0][0]))
        aside.rename(stage.program)
        await until(lambda: len(stage.starts("gateway")) >= 2)
        stage.behave("gateway", "")
        await until(lambda: stage.is_listening("gateway", address))


async def test_supervise_stops_while_a_role_is_down(stage: Stage) -> None:
    """The end does not wait for a restart, and leaves no process behind."""
    async with running(stage):
        stage.behave("core", "silent")
        os.kill(stage.starts("core")[0][0], signal.SIGKILL)
        await until(lambda: len(stage.starts("core")) == 2)
    assert not [pid for role in ("core", "gateway") for pid, _given in stage.starts(role) if psutil.pid_exists(pid)]


@pytest.mark.parametrize("how", ["fails", "garbage"])
async def test_supervise_fails_when_the_core_does_not_start(stage: Stage, how: str) -> None:
    """The gateway is not even tried, and no address is told."""
    stage.behave("core", how)
    with pytest.raises(StartError, match="core did not start"):
        await stage.supervise()
    assert {role for role, _event in stage.journal()} == {"core"}
    assert not (stage.folder / "addresses.json").exists()


async def test_supervise_ends_the_core_when_the_gateway_does_not_start(stage: Stage) -> None:
    """Half a deployment is none."""
    stage.behave("gateway", "fails")
    with pytest.raises(StartError, match="gateway did not start"):
        await stage.supervise()
    assert stage.journal() == [("core", "started"), ("gateway", "started"), ("core", "stopped")]
    assert not (stage.folder / "addresses.json").exists()


async def test_supervise_fails_without_a_program(stage: Stage) -> None:
    """A program that cannot be run is a role that did not start."""
    stage.program.unlink()
    with pytest.raises(StartError, match="core did not start"):
        await stage.supervise()


async def test_start_waits_only_so_long(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that never serves is ended."""
    monkeypatch.setattr("lumetry_core.supervisor.START_SECONDS", 0.5)
    stage.behave("core", "silent")
    child = Child("core", stage.command("core"))
    with pytest.raises(StartError):
        await child.start("--grpc")
    assert child.process is not None
    assert child.process.returncode is not None


async def test_stop_kills_what_does_not_drain(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stubborn process does not keep the server from ending."""
    monkeypatch.setattr("lumetry_core.supervisor.DRAIN_SECONDS", 0.2)
    stage.behave("core", "stubborn")
    child = Child("core", stage.command("core"))
    await child.start("--grpc")
    await child.stop()
    assert child.process is not None
    assert child.process.returncode == -signal.SIGKILL
    await child.stop()


SUPERVISOR = """
import asyncio, sys
from pathlib import Path
from lumetry_core.supervisor import Commands, supervise
stub, folder = sys.argv[1:]
asyncio.run(supervise(Commands([stub, "core", folder], [stub, "gateway", folder]), Path(folder), asyncio.Event()))
"""


async def test_children_end_with_their_supervisor(stage: Stage) -> None:
    """When the supervisor is killed the pipes on their standard input close, and they end by themselves."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", SUPERVISOR, str(stage.program), str(stage.folder))
    await until((stage.folder / "addresses.json").exists)
    process.kill()
    await process.wait()
    await until(lambda: len(stage.journal("orphaned")) == 2)
    pids = [pid for role in ("core", "gateway") for pid, _given in stage.starts(role)]
    await until(lambda: not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids))


def test_commands_run_both_roles_with_this_interpreter() -> None:
    """Options of the operator reach the role they are meant for; both roles watch their lifeline."""
    assert commands(["--data-dir", "/srv"], "127.0.0.1:0", "DEBUG") == Commands(
        core=[sys.executable, "-m", "lumetry_core", "core", "--lifeline", "--data-dir", "/srv"],
        gateway=[sys.executable, "-m", "gateway", "--lifeline", "--http", "127.0.0.1:0", "--log-level", "DEBUG"],
    )
