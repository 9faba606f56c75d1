"""The life of an agent, against a product that is a real server."""

import asyncio
from typing import Any

import pytest
import structlog

from lumetry.hostagents.v1 import host_agent_channel_service_pb2 as agents_pb
from lumetry_core.collectors.agent.address import Target
from lumetry_core.collectors.agent.enrolling import EnrollmentError
from lumetry_core.collectors.agent.failures import RevokedError
from lumetry_core.collectors.agent.state import Credential, Mode, State, digest_token

AGENT_KEY = "6c1c6f9e-1d0a-4a51-9a54-0a5a1ac0ffee"
COLLECTOR_ID = "d97e2b99-81bd-43aa-823d-dc5f78cd5429"
TOKEN = "lmtae_good"
PROCESS_METRICS = ("process.cpu.percent", "process.memory.percent", "process.rss.bytes")
NOWHERE = Target("127.0.0.1:1", secure=False)


def pack(pack_id: str, *metrics: str, **more: Any) -> agents_pb.WantedPack:
    return agents_pb.WantedPack(pack_id=pack_id, version=3, metrics=metrics, interval_seconds=10, **more)


async def test_run_agent_of_a_new_host(rig: Any) -> None:
    """A new host enrolls with its placement, learns what is wanted and collects just that, with the labels of its host and its group."""
    rig.product.labels = {"host.group": "web"}
    agent = rig.start(rig.settings(cluster="Web servers"))
    await rig.product.until(lambda: len(rig.product.points) >= 2)
    await agent.end()
    enrolled = rig.product.enrollments[0]
    assert (enrolled.host_id, enrolled.hostname, enrolled.os, enrolled.cluster, enrolled.cluster_id) == (
        "host-1",
        "web-1",
        "linux",
        "Web servers",
        "",
    )
    assert {(point.metric_key, point.value, point.source, point.namespace) for point in rig.product.points} == {
        ("host.cpu.percent", 50.0, "agent", "host"),
        ("host.memory.percent", 25.0, "agent", "host"),
    }
    labels = dict(rig.product.points[0].labels)
    assert (labels["host.id"], labels["host.name"], labels["os.type"], labels["host.group"]) == ("host-1", "web-1", "linux", "web")
    state = State(rig.folder)
    assert state.load_credential() == Credential(AGENT_KEY, "lmta_good", 1, digest_token(TOKEN), mode=Mode.AGENT, agent_id=7)
    state.close()


async def test_heartbeat_of_a_running_agent(rig: Any) -> None:
    """Heartbeats tell which software runs, which packs are used and how many series are sent and left out."""
    rig.product.packs = [pack("host.linux", "host.cpu.percent"), pack("process", *PROCESS_METRICS)]
    rig.product.max_series = 4
    rig.start()
    await rig.product.until(lambda: any(beat.series_count for beat in rig.product.heartbeats))
    first, last = rig.product.heartbeats[0], rig.product.heartbeats[-1]
    assert (list(first.detected_software), list(first.packs), first.transport) == (["nginx"], [], "Direct")
    assert {(used.pack_id, used.version) for used in last.packs} == {("host.linux", 3), ("process", 3)}
    assert (last.series_count, last.series_dropped) == (4, 3)


async def test_points_of_software_packs(rig: Any) -> None:
    """A pack of software collects the processes of its executables."""
    rig.product.packs = [pack("nginx", *PROCESS_METRICS)]
    rig.start()
    await rig.product.until(lambda: len(rig.product.points) >= 3)
    assert {(point.metric_key, point.value, point.labels["process.executable"]) for point in rig.product.points} == {
        ("process.cpu.percent", 0.0, "nginx"),
        ("process.memory.percent", 50.0, "nginx"),
        ("process.rss.bytes", 4096.0, "nginx"),
    }


async def test_report_of_processes(rig: Any) -> None:
    """The processes of the host are reported by executable, whatever packs are wanted."""
    rig.product.packs = []
    rig.start()
    await rig.product.until(lambda: bool(rig.product.reports))
    reported = [(each.executable, each.instance_count, each.rss_bytes) for each in rig.product.reports[0].processes]
    assert reported == [("cron", 1, 1024), ("nginx", 1, 4096)]


async def test_disabled_agent_and_enabled_again(rig: Any) -> None:
    """A disabled agent looks at nothing and sends nothing but heartbeats, through a restart as well; enabled again it goes on by itself."""
    rig.product.enabled = False
    agent = rig.start()
    await rig.product.until(lambda: len(rig.product.heartbeats) >= 2)
    await agent.end()
    looked = rig.host.reads
    rig.start(rig.settings(enrollment_token=None))
    await rig.product.until(lambda: len(rig.product.heartbeats) >= 4)
    assert (rig.product.points, rig.product.reports, rig.host.reads) == ([], [], looked + 1), "once for the software that it tells of"
    rig.product.enabled = True
    await rig.product.until(lambda: bool(rig.product.points))


async def test_points_refused_because_the_agent_is_disabled(rig: Any) -> None:
    """Points that are refused because the agent was disabled since its heartbeat are kept, and delivered when it is enabled again."""
    rig.product.refuses_points = True
    rig.start()
    await rig.product.until(lambda: bool(rig.product.refused))
    assert rig.product.points == []
    rig.product.refuses_points = False
    await rig.product.until(lambda: bool(rig.product.points))


async def test_start_without_the_product(rig: Any) -> None:
    """An agent that starts while the product is away collects what was wanted last, and delivers it later."""
    agent = rig.start()
    await rig.product.until(lambda: bool(rig.product.points))
    await agent.end()
    rig.product.points.clear()
    await rig.product.go_away()
    looked = rig.host.reads
    rig.start(rig.settings(enrollment_token=None))
    await rig.host.until_read(looked + 4)
    await rig.product.start()
    await rig.product.until(lambda: bool(rig.product.points))


async def test_heartbeat_after_a_backlog(rig: Any) -> None:
    """When what waited is delivered, the product learns it at once and not with the next heartbeat in its turn."""
    rig.product.beat_seconds = 3600
    rig.product.is_overloaded = True
    agent = rig.start()
    await rig.product.until(lambda: rig.product.refused)
    await agent.end()
    rig.start(rig.settings(enrollment_token=None))
    await rig.product.until(lambda: rig.product.heartbeats[-1].queue_depth > 0)
    rig.product.is_overloaded = False
    await rig.product.until(lambda: rig.product.heartbeats[-1].queue_depth == 0)
    assert rig.product.points


async def test_revoked_agent(rig: Any) -> None:
    """A revoked agent says so and ends; started again it ends again, and sends nothing."""
    agent = rig.start()
    await rig.product.until(lambda: bool(rig.product.points))
    rig.product.is_revoked = True
    with pytest.raises(RevokedError, match="The product revoked this agent"):
        await asyncio.wait_for(agent.task, 20)
    sent = len(rig.product.points)
    with pytest.raises(RevokedError):
        await asyncio.wait_for(rig.start(rig.settings(enrollment_token=None)).task, 20)
    assert len(rig.product.points) == sent


async def test_enrollment_with_a_refused_token(rig: Any) -> None:
    """A token that the product refuses ends the agent, saying what may be wrong."""
    with pytest.raises(EnrollmentError, match="its profile is unknown, has expired or is full"):
        await asyncio.wait_for(rig.start(rig.settings(enrollment_token="lmtae_bad")).task, 20)


async def test_run_agent_in_the_directory_of_a_collector(rig: Any) -> None:
    """A state directory that belongs to a collector is not used for an agent."""
    state = State(rig.folder)
    state.save_credential(Credential(COLLECTOR_ID, "lmtc_x", 30, "digest"))
    state.close()
    with pytest.raises(EnrollmentError, match="is the state directory of a collector"):
        await rig.start().task


async def test_path_through_a_collector(rig: Any) -> None:
    """Where a profile demands a relay, everything goes through the collector, with the agent's own credential."""
    rig.product.required_relay = COLLECTOR_ID
    relay = await rig.relay()
    rig.start(rig.settings(target=NOWHERE, collector=Target(f"127.0.0.1:{relay.port}", secure=False)))
    await rig.product.until(lambda: bool(rig.product.points) and bool(rig.product.reports))
    assert set(rig.product.relays) == {COLLECTOR_ID}
    assert rig.product.heartbeats[0].transport == "Collector"


async def test_path_when_the_collector_goes_and_returns(rig: Any) -> None:
    """Without its collector an agent goes direct; when the collector is back for good it goes through it again."""
    relay = await rig.relay()
    rig.start(rig.settings(collector=Target(f"127.0.0.1:{relay.port}", secure=False)))
    await rig.product.until(lambda: bool(rig.product.heartbeats))
    assert rig.product.heartbeats[0].transport == "Collector"
    await relay.close()
    await rig.product.until(lambda: rig.product.heartbeats[-1].transport == "Direct")
    await relay.start()
    await rig.product.until(lambda: rig.product.heartbeats[-1].transport == "Collector")


async def test_direct_path_where_a_relay_is_demanded(rig: Any) -> None:
    """An agent that may not connect directly says which collector it needs, and does not give up."""
    rig.product.required_relay = COLLECTOR_ID
    with structlog.testing.capture_logs() as logs:
        agent = rig.start()
        await rig.product.until(lambda: rig.product.refused >= 2)
        await agent.end()
    said = [entry for entry in logs if entry["log_level"] == "error"]
    complaint = "the agent must use a collector's relay and knows none: give it the collector's URL"
    assert [(entry["event"], entry["required_collector_id"]) for entry in said] == [(complaint, COLLECTOR_ID)]
    assert not agent.task.exception()
