import asyncio
from datetime import timedelta

from lumetry_core.containers.detection import RuntimeDetector
from lumetry_core.containers.model import Candidate, Engine, EngineError, RuntimeFault, RuntimeSettings, RuntimeStatus
from tests.conftest import FakeClock

ENGINE = Engine("docker", "27.3.1", "1.47")


class Host:
    """A host with engines at some addresses."""

    def __init__(self, **engines: Engine) -> None:
        self.engines: dict[str, Engine | RuntimeFault] = dict(engines)
        self.asked: list[str] = []

    async def ask(self, candidate: Candidate) -> Engine:
        """See `Ask`."""
        self.asked.append(candidate.address)
        await asyncio.sleep(0)
        found = self.engines.get(candidate.address, RuntimeFault.NOT_FOUND)
        if isinstance(found, RuntimeFault):
            raise EngineError(found, f"{found} at {candidate.address}")
        return found


DOCKER, PODMAN = "unix:///var/run/docker.sock", "unix:///run/podman/podman.sock"


async def test_find_first_that_answers(clock: FakeClock) -> None:
    """The first place where something answers is the runtime."""
    host = Host()
    host.engines[PODMAN] = ENGINE
    found = await RuntimeDetector(RuntimeSettings(), host.ask).status(clock.now())
    assert found == RuntimeStatus(ENGINE, PODMAN, clock.now())
    assert host.asked == [DOCKER, PODMAN]


async def test_find_nothing(clock: FakeClock) -> None:
    """Without any socket there is no runtime; one that may not be opened says more."""
    host = Host()
    detector = RuntimeDetector(RuntimeSettings(), host.ask)
    assert await detector.status(clock.now()) == RuntimeStatus(None, "", None, RuntimeFault.NOT_FOUND, "No container runtime was found.")
    host.engines[DOCKER] = RuntimeFault.PERMISSION_DENIED
    assert await detector.status(clock.advance(seconds=5)) == RuntimeStatus(
        None, DOCKER, None, RuntimeFault.PERMISSION_DENIED, f"permission_denied at {DOCKER}"
    )


async def test_want_no_runtime(clock: FakeClock) -> None:
    """Who wants no runtime has nothing asked."""
    host = Host()
    found = await RuntimeDetector(RuntimeSettings(runtime="none"), host.ask).status(clock.now())
    assert found == RuntimeStatus(None, "", None, RuntimeFault.DISABLED, "LUMETRY_RUNTIME is none.")
    assert host.asked == []


async def test_tell_wrong_docker_host(clock: FakeClock) -> None:
    """A DOCKER_HOST that cannot be read is a fault of its own; nothing else is taken in its place."""
    host = Host()
    found = await RuntimeDetector(RuntimeSettings(docker_host="ssh://a"), host.ask).status(clock.now())
    assert (found.engine, found.fault, host.asked) == (None, RuntimeFault.UNREACHABLE, [])


async def test_remember_for_five_seconds(clock: FakeClock) -> None:
    """What was found is asked again after five seconds; the first connection is remembered for good."""
    host = Host()
    host.engines[DOCKER] = ENGINE
    detector = RuntimeDetector(RuntimeSettings(), host.ask)
    first_time = clock.now()
    first = await detector.status(first_time)
    assert await detector.status(clock.advance(seconds=4.999)) is first
    assert host.asked == [DOCKER]
    del host.engines[DOCKER]
    assert await detector.status(clock.advance(seconds=0.001)) == RuntimeStatus(
        None, "", first_time, RuntimeFault.NOT_FOUND, "No container runtime was found."
    )
    host.engines[DOCKER] = ENGINE
    assert await detector.status(clock.advance(seconds=5)) == RuntimeStatus(ENGINE, DOCKER, first_time)


async def test_look_again_when_clock_went_back(clock: FakeClock) -> None:
    """A clock that was set back does not keep an old finding alive."""
    host = Host()
    detector = RuntimeDetector(RuntimeSettings(), host.ask)
    await detector.status(clock.now())
    await detector.status(clock.now() - timedelta(hours=1))
    assert host.asked == [DOCKER, PODMAN, DOCKER, PODMAN]


async def test_look_once_for_many(clock: FakeClock) -> None:
    """Callers who come together share one look."""
    host = Host()
    host.engines[DOCKER] = ENGINE
    detector = RuntimeDetector(RuntimeSettings(), host.ask)
    answers = await asyncio.gather(*(detector.status(clock.now()) for _ in range(20)))
    assert host.asked == [DOCKER]
    assert answers == [RuntimeStatus(ENGINE, DOCKER, clock.now())] * 20
