from typing import cast

from lumetry_core.containers.detection import find_engine
from lumetry_core.containers.engine import Engine
from lumetry_core.containers.places import Candidate, EngineError, EngineIdentity, RuntimeFault, RuntimeSettings, RuntimeStatus
from tests.conftest import FakeClock


class FakeEngine:
    """An engine that only tells who it is."""

    identity = EngineIdentity("docker", "27.3.1", "1.47")


ENGINE = cast("Engine", FakeEngine())


class Host:
    """A host with engines at some addresses."""

    def __init__(self) -> None:
        self.engines: dict[str, Engine | RuntimeFault] = {}
        self.asked: list[str] = []

    async def connect(self, candidate: Candidate) -> Engine:
        """See `Connect`."""
        self.asked.append(candidate.address)
        found = self.engines.get(candidate.address, RuntimeFault.NOT_FOUND)
        if isinstance(found, RuntimeFault):
            raise EngineError(found, f"{found} at {candidate.address}")
        return found


DOCKER, PODMAN = "unix:///var/run/docker.sock", "unix:///run/podman/podman.sock"


async def test_find_first_that_answers(clock: FakeClock) -> None:
    """The first place where something answers is the runtime."""
    host = Host()
    host.engines[PODMAN] = ENGINE
    found = await find_engine(RuntimeSettings(), host.connect, clock.now(), None)
    assert found == (ENGINE, RuntimeStatus(FakeEngine.identity, PODMAN, clock.now()))
    assert host.asked == [DOCKER, PODMAN]


async def test_find_nothing(clock: FakeClock) -> None:
    """Without any socket there is no runtime; one that may not be opened says more, and the first connection stays known."""
    host = Host()
    nothing = RuntimeStatus(None, "", None, RuntimeFault.NOT_FOUND, "No container runtime was found.")
    assert await find_engine(RuntimeSettings(), host.connect, clock.now(), None) == (None, nothing)
    first_time = clock.now()
    host.engines[DOCKER] = RuntimeFault.PERMISSION_DENIED
    assert await find_engine(RuntimeSettings(), host.connect, clock.advance(seconds=5), first_time) == (
        None,
        RuntimeStatus(None, DOCKER, first_time, RuntimeFault.PERMISSION_DENIED, f"permission_denied at {DOCKER}"),
    )


async def test_find_engine_again(clock: FakeClock) -> None:
    """The time of the first connection is remembered for good."""
    host = Host()
    host.engines[DOCKER] = ENGINE
    first_time = clock.now()
    found = await find_engine(RuntimeSettings(), host.connect, clock.advance(hours=1), first_time)
    assert found == (ENGINE, RuntimeStatus(FakeEngine.identity, DOCKER, first_time))


async def test_want_no_runtime(clock: FakeClock) -> None:
    """Who wants no runtime has nothing asked."""
    host = Host()
    found = await find_engine(RuntimeSettings(runtime="none"), host.connect, clock.now(), None)
    assert found == (None, RuntimeStatus(None, "", None, RuntimeFault.DISABLED, "LUMETRY_RUNTIME is none."))
    assert host.asked == []


async def test_tell_wrong_docker_host(clock: FakeClock) -> None:
    """A DOCKER_HOST that cannot be read is a fault of its own; nothing else is taken in its place."""
    host = Host()
    _, status = await find_engine(RuntimeSettings(docker_host="ssh://a"), host.connect, clock.now(), None)
    assert (status.engine, status.fault, host.asked) == (None, RuntimeFault.UNREACHABLE, [])
