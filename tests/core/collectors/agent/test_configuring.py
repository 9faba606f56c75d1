import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from lumetry.collectors.v1 import collector_service_pb2 as pb
from lumetry.collectors.v1 import config_pb2
from lumetry_core.collectors.agent.configuring import Acknowledgement, Configurer
from lumetry_core.collectors.agent.failures import UnreachableError
from lumetry_core.collectors.agent.state import AppliedConfig
from lumetry_core.collectors.agent.wanted import ConfigError, HostMetrics, Polling, Relay, Wanted, read_config

RELAYING = config_pb2.CollectorConfig(relay=config_pb2.RelayConfig(enabled=True, port=5000))


@dataclass
class Place:
    """What a configurer works on: a server, a disk, and a port that may be taken."""

    config: config_pb2.CollectorConfig = field(default_factory=config_pb2.CollectorConfig)
    revision: int = 1
    is_taken: bool = False
    is_away: bool = False
    applied: list[Wanted] = field(default_factory=list)
    saved: list[AppliedConfig] = field(default_factory=list)
    outcome: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def apply(self, wanted: Wanted) -> None:
        if self.is_taken and wanted.relay.enabled:
            raise ConfigError("relay.port: port 5000 is taken")
        self.applied.append(wanted)

    async def fetch_config(self, known_revision: int) -> pb.FetchCollectorConfigResponse:
        self.asked.set()
        if self.is_away:
            raise UnreachableError("away")
        answer = pb.FetchCollectorConfigResponse(revision=self.revision)
        if known_revision != self.revision:
            answer.config.CopyFrom(self.config)
        return answer

    def configurer(self) -> Configurer:
        return Configurer(self.apply, self.saved.append, self.outcome.set)

    @asynccontextmanager
    async def running(self, configurer: Configurer) -> AsyncIterator[None]:
        task = asyncio.create_task(configurer.run(self))
        async with asyncio.timeout(20):
            yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_read_config_fills_in_defaults() -> None:
    """What is absent is as the contract says, what is set stays."""
    assert read_config(config_pb2.CollectorConfig()) == Wanted()
    config = config_pb2.CollectorConfig(
        host_metrics=config_pb2.HostMetricsConfig(enabled=False), polling=config_pb2.PollingConfig(max_concurrency=9)
    )
    assert read_config(config) == Wanted(host_metrics=HostMetrics(enabled=False), polling=Polling(max_concurrency=9))


async def test_hear_leads_to_the_new_revision() -> None:
    """A revision that differs is fetched, applied, saved and acknowledged; a known one is not asked for."""
    place = Place(revision=3, config=config_pb2.CollectorConfig(heartbeat_interval_seconds=60))
    configurer = place.configurer()
    await configurer.start(AppliedConfig())
    assert configurer.acknowledgement == Acknowledgement()
    async with place.running(configurer):
        configurer.hear(3)
        await place.outcome.wait()
    assert place.applied == [Wanted(), Wanted(heartbeat_interval_seconds=60)]
    assert place.saved == [AppliedConfig(3, Wanted(heartbeat_interval_seconds=60))]
    assert configurer.acknowledgement == Acknowledgement(3, "applied")
    place.asked.clear()
    configurer.hear(3)
    assert not place.asked.is_set()


async def test_hear_reminds_of_what_could_not_be_fetched() -> None:
    """A server that goes away in between is asked again after the next heartbeat."""
    place = Place(revision=3, is_away=True)
    configurer = place.configurer()
    async with place.running(configurer):
        configurer.hear(3)
        await place.asked.wait()
        place.is_away = False
        configurer.hear(3)
        await place.outcome.wait()
    assert configurer.acknowledgement == Acknowledgement(3, "applied")


async def test_a_port_that_becomes_free_is_used() -> None:
    """What was rejected for the state of this machine is tried again with the next heartbeat, and then acknowledged as applied."""
    place = Place(revision=2, config=RELAYING, is_taken=True)
    configurer = place.configurer()
    async with place.running(configurer):
        configurer.take(pb.ConfigDirective(revision=2, config=RELAYING))
        await place.outcome.wait()
        assert configurer.acknowledgement == Acknowledgement(2, "rejected", "relay.port: port 5000 is taken")
        assert (place.applied, place.saved) == ([], [])
        place.is_taken = False
        place.outcome.clear()
        configurer.hear(2)
        await place.outcome.wait()
    assert configurer.acknowledgement == Acknowledgement(2, "applied")
    assert not place.asked.is_set()


@pytest.mark.parametrize("revision", [0, 4])
async def test_start_leaves_out_a_relay_that_cannot_start(revision: int) -> None:
    """The rest of what was applied before holds; the server learns that the relay is missing."""
    place = Place(is_taken=True)
    configurer = place.configurer()
    kept = AppliedConfig(revision, Wanted(heartbeat_interval_seconds=20, relay=Relay(enabled=True)))
    await configurer.start(kept)
    assert place.applied == [Wanted(heartbeat_interval_seconds=20)]
    assert configurer.acknowledgement == Acknowledgement(revision, "rejected", "relay.port: port 5000 is taken")
