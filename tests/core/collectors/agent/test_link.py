import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest

from lumetry.collectors.v1 import collector_service_pb2 as pb
from lumetry_core.collectors.agent import failures
from lumetry_core.collectors.agent.connecting import open_transport
from lumetry_core.collectors.agent.keyring import Keyring
from lumetry_core.collectors.agent.link import Link
from lumetry_core.collectors.agent.state import Credential
from lumetry_core.collectors.agent.timing import ServerClock
from tests.conftest import FakeClock
from tests.core.collectors.agent.product_double import GrpcCore, HttpCore

Open = Callable[..., Link]


@pytest.fixture
async def open_link(core: GrpcCore | HttpCore, clock: FakeClock) -> AsyncIterator[Open]:
    """Makes links to the product; they are closed after the test."""
    transports = []

    def make(secret: str = "lmtc_good", next_secret: str = "") -> Link:
        transports.append(open_transport(core.target))
        credential = Credential("collector", secret, 30, "digest", next_secret=next_secret)
        return Link(transports[-1], Keyring(credential, lambda _credential: None), ServerClock(clock))

    yield make
    for transport in transports:
        await transport.close()


async def test_a_void_credential_revokes_the_link_once(core: GrpcCore | HttpCore, open_link: Open) -> None:
    """Both candidates are tried; then everything fails without another call, and whoever listens hears of it once."""
    link = open_link("lmtc_void", "lmtc_also_void")
    told: list[failures.CredentialError] = []
    link.on_revoked = told.append
    for _ in range(3):
        with pytest.raises(failures.CredentialError):
            await link.send_heartbeat(pb.SendHeartbeatRequest(instance_id="i"))
    assert (len(told), core.refused, link.is_revoked) == (1, 2, True)


async def test_calls_under_way_survive_a_rotation(core: GrpcCore | HttpCore, open_link: Open) -> None:
    """Whatever order calls and rotations come in, none is lost and the link is not revoked."""
    link = open_link()

    async def beat() -> None:
        for _ in range(20):
            await link.send_heartbeat(pb.SendHeartbeatRequest(instance_id="i"))

    async def rotate() -> None:
        for _ in range(5):
            await link.rotate_credential()

    await asyncio.gather(beat(), beat(), rotate())
    assert (len(core.heartbeats), core.rotations, link.is_revoked) == (40, 5, False)


async def test_an_answer_that_was_lost_is_asked_for_again(core: GrpcCore | HttpCore, open_link: Open) -> None:
    """The product issued a secret that never came; the old one asks for another, which serves."""
    link = open_link()
    await core.rotate("lmtc_good")
    await link.rotate_credential()
    await link.send_heartbeat(pb.SendHeartbeatRequest(instance_id="i"))
    assert (core.credential, core.rotations) == ("lmtc_2", 2)


async def test_a_newer_stream_takes_the_place_of_the_older(grpc_core: GrpcCore, clock: FakeClock) -> None:
    """One stream per link: the first ends so that its owner can tell, and configuration goes to the link's owner."""
    transport = open_transport(grpc_core.target)
    link = Link(transport, Keyring(Credential("collector", "lmtc_good", 30, "digest"), lambda _credential: None), ServerClock(clock))
    directives: list[Any] = []
    directed = asyncio.Event()

    def take(directive: Any) -> None:
        directives.append(directive)
        directed.set()

    link.on_directive = take
    link.known_revision = lambda: 1

    async def follow() -> None:
        async with aclosing(link.watch_work((), 1)) as items:
            async for _ in items:
                raise AssertionError("no work was asked for")

    first = asyncio.create_task(follow())
    await grpc_core.until(lambda: grpc_core.watching == 1)
    second = asyncio.create_task(follow())
    with pytest.raises(failures.UnreachableError, match="another stream"):
        await first
    assert link.is_watched
    await grpc_core.until(lambda: grpc_core.watching >= 1)
    await grpc_core.configure(heartbeatIntervalSeconds=20)
    async with asyncio.timeout(20):
        await directed.wait()
    assert directives[0].config == pb.ConfigDirective(revision=2, config=grpc_core.config)
    grpc_core.credential = "lmtc_other"
    await grpc_core.tell()
    with pytest.raises(failures.CredentialError):
        await second
    async with asyncio.timeout(20):
        await link.unwatched()
    await transport.close()
