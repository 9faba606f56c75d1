"""`lumetry serve`: core and gateway as two processes of one machine, restarted when they crash, drained together.

Each child tells its bound address on a pipe once it serves, and ends when the pipe on its standard input closes, so that no child
outlives this process, however it ends.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

DRAIN_SECONDS = 25.0
START_SECONDS = 60.0
FIRST_PAUSE_SECONDS = 0.1
LAST_PAUSE_SECONDS = 5.0


class StartError(Exception):
    """A child did not come to serve."""


@dataclass(slots=True)
class Child:
    """A role of the deployment and the process that plays it now."""

    role: str
    command: Sequence[str]
    process: asyncio.subprocess.Process | None = None
    address: str = ""

    async def start(self, address_option: str) -> str:
        """Starts the process and waits until it serves; a restart binds the address of the first start.

        Raises:
            StartError: It could not be run, ended, or did not tell its address in time.
        """
        reading, writing = os.pipe()
        bind = (address_option, self.address) if self.address else ()
        try:
            self.process = await asyncio.create_subprocess_exec(
                *self.command, *bind, "--ready-fd", str(writing), stdin=asyncio.subprocess.PIPE, pass_fds=(writing,)
            )
            os.close(writing)
            writing = -1  # the child alone holds it now: its end closes the pipe
            async with asyncio.timeout(START_SECONDS):
                line = await read_line(reading)
            self.address = read_address(line)
        except (OSError, ValueError) as error:  # a timeout is an OSError
            await self.stop()
            raise StartError(f"{self.role} did not start") from error
        finally:
            for descriptor in {reading, writing} - {-1}:
                os.close(descriptor)
        return self.address

    async def stop(self) -> None:
        """Asks the process to drain, and ends it when it does not in time."""
        if self.process is None or self.process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await self.process.wait()
        except TimeoutError:
            log.warning("did not drain in time", role=self.role)
            self.process.kill()
            await self.process.wait()


def read_address(line: bytes) -> str:
    """The address in what a child tells once it serves. Raises ValueError when it tells none."""
    told = json.loads(line)
    if not isinstance(told, dict) or not told:
        raise ValueError(told)
    return str(next(iter(told.values())))


async def read_line(descriptor: int) -> bytes:
    """Reads a pipe up to its first line end, without blocking the loop; empty when it closes first."""
    loop = asyncio.get_running_loop()
    os.set_blocking(descriptor, False)
    received = b""
    while not received.endswith(b"\n"):
        readable = asyncio.Event()
        loop.add_reader(descriptor, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(descriptor)
        chunk = os.read(descriptor, 4096)
        if not chunk:
            return b""
        received += chunk
    return received


@dataclass(frozen=True, slots=True)
class Commands:
    """How the two roles are started; addresses are added to the command."""

    core: Sequence[str]
    gateway: Sequence[str]


def commands(core_options: Sequence[str], http: str, log_level: str) -> Commands:
    """The commands of both roles with this interpreter."""
    return Commands(
        core=[sys.executable, "-m", "lumetry_core", "core", "--lifeline", *core_options],
        gateway=[sys.executable, "-m", "gateway", "--lifeline", "--http", http, "--log-level", log_level],
    )


async def supervise(how: Commands, data_dir: Path, stop: asyncio.Event, on_ready: asyncio.Event | None = None) -> None:
    """Runs both roles until `stop` is set, then drains gateway and core in this order.

    Args:
        how: The commands.
        data_dir: Where `addresses.json` is written once both serve.
        stop: Ends the supervision.
        on_ready: Set once both serve.

    Raises:
        StartError: A role did not start the first time.
    """
    core, gateway = Child("core", how.core), Child("gateway", how.gateway)
    try:
        core_address = await core.start("--grpc")
        gateway.command = [*gateway.command, "--core", core_address]
        await gateway.start("--http")
        write_addresses(data_dir, {"http": gateway.address, "grpc": core.address})
        log.info("serving", http=gateway.address, grpc=core.address)
        if on_ready is not None:
            on_ready.set()
        keepers = [asyncio.create_task(keep(core, "--grpc")), asyncio.create_task(keep(gateway, "--http"))]
        await stop.wait()
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
    finally:
        await gateway.stop()
        await core.stop()


async def keep(child: Child, address_option: str) -> None:
    """Starts a role again whenever its process ends; pauses grow while starts fail."""
    pause = FIRST_PAUSE_SECONDS
    while True:
        code = await child.process.wait() if child.process else None
        log.error("ended, starting again", role=child.role, exit_code=code)
        await asyncio.sleep(pause)
        try:
            await child.start(address_option)
            pause = FIRST_PAUSE_SECONDS
        except StartError:
            pause = min(pause * 2, LAST_PAUSE_SECONDS)


def write_addresses(data_dir: Path, addresses: Mapping[str, str]) -> None:
    """Writes `addresses.json` in one step."""
    target = data_dir / "addresses.json"
    partial = target.with_suffix(".partial")
    partial.write_text(json.dumps(addresses) + "\n")
    partial.rename(target)


def stop_on_signals(stop: asyncio.Event) -> None:
    """Sets the event on SIGTERM and SIGINT."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


@contextlib.contextmanager
def lock(data_dir: Path, name: str) -> Iterator[bool]:
    """Holds an advisory lock of the data directory; False when another process has it. It ends with the process."""
    with (data_dir / f"{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
