import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from lumetry_core.containers.log_access import list_names, open_log
from lumetry_core.containers.model import Container, ContainerState, GroupSource, Health
from lumetry_core.containers.places import EngineIdentity, KubernetesSettings, RuntimeFault, RuntimeSettings, RuntimeStatus
from lumetry_core.containers.watching import Watcher
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.queue import Wakeups
from tests.conftest import FakeClock
from tests.core.containers.world import RULES, World
from tests.kubernetes_double import ClusterDouble, serving_cluster

pytest.importorskip("kubernetes_asyncio", reason="the package extra `kubernetes` is not installed")

from lumetry_core.containers.kubernetes import connect

RUNNING, EXITED, RESTARTING = ContainerState.RUNNING, ContainerState.EXITED, ContainerState.RESTARTING


class ClusterWorld(World):
    """A deployment that watches a cluster."""

    cluster: ClusterDouble
    folder: Path

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """A core watches during the block, whether it is connected or not."""
        path = str(self.cluster.kubeconfig(self.folder))
        settings = RuntimeSettings("kubernetes", kubernetes=KubernetesSettings(kubeconfig=path), has_kubernetes=True)
        reach = partial(connect, now=self.clock.now)
        task = asyncio.create_task(Watcher(self.database, self.clock, "core-1", settings, reach, self.link, RULES).run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """See `World.watching`."""
        async with self.running():
            await self.until_watching()
            yield


@pytest.fixture
async def world(database: Database, wakeups: Wakeups, clock: FakeClock, tmp_path: Path) -> AsyncIterator[ClusterWorld]:
    """A deployment whose cluster runs."""
    made = ClusterWorld(database, wakeups, clock, tmp_path)
    made.cluster, made.folder = ClusterDouble(), tmp_path
    made.cluster.moment = clock.now()
    await made.prepare()
    async with serving_cluster(made.cluster):
        yield made


def in_state(name: str, state: ContainerState) -> Callable[[Sequence[Container]], bool]:
    """Tells whether a workload is in a state."""
    return lambda found: any((each.name, each.state) == (name, state) and not each.is_archived for each in found)


async def test_record_workloads(world: ClusterWorld) -> None:
    """Workloads are recorded as containers whose group is the namespace."""
    world.cluster.deploy("web", replicas=2, annotations={"lumetry.alert.severity": "critical"})
    async with world.watching():
        found = (await world.containers())[0]
        assert world.link.status is not None
        assert world.link.status == RuntimeStatus(
            EngineIdentity("kubernetes", "1.34.1", "1.34"), world.cluster.url, world.clock.now(), runtime_type="kubernetes"
        )
        assert await list_names(world.link, found) == ("app",)
    assert (found.external_id, found.name, found.image, found.state, found.health) == (
        "shop/Deployment/web",
        "web",
        "nginx:1.27",
        RUNNING,
        Health.HEALTHY,
    )
    assert (found.runtime_type, found.controller_kind, found.namespace, found.pod_count, found.ready_count) == (
        "kubernetes",
        "Deployment",
        "shop",
        2,
        2,
    )
    assert (found.group, found.orchestration_unit, found.alert_severity.value) == (("shop", GroupSource.NAMESPACE), "web", "Critical")
    assert found.image_digests == (f"docker.io/library/nginx@sha256:{'a' * 64}",)


async def test_follow_crashes(world: ClusterWorld) -> None:
    """A workload that crashes is restarting, with the end of its log; coming back again and again is a restart loop."""
    world.cluster.deploy("web")
    async with world.watching():
        world.cluster.write("web-1-1", "boom")
        for restarts in (1, 2, 3):
            world.advance(seconds=5)
            world.cluster.moment = world.clock.now()
            crashed = world.cluster.status("app", restarts=restarts, waiting=("CrashLoopBackOff", "back-off"), ended={"exitCode": 1})
            world.cluster.put("pods", "web-1-1", status=crashed)
            found = (await world.until(in_state("web", RESTARTING)))[0]
            assert (found.exit_code, found.error_detail) == (1, "web-1-1: CrashLoopBackOff: back-off")
            world.advance(seconds=5)
            world.cluster.moment = world.clock.now()
            world.cluster.put("pods", "web-1-1", status=world.cluster.status("app", restarts=restarts, ended={"exitCode": 1}))
            await world.until(in_state("web", RUNNING))
        assert await world.alert_types() == [(1, "restart_loop", "Warning")]
    transitions = await world.transitions(1)
    assert [(each.previous_state, each.new_state, each.log_snippet) for each in transitions[1:3]] == [
        (RUNNING, RESTARTING, "boom"),
        (RESTARTING, RUNNING, None),
    ]


async def test_count_no_runs_of_schedules(world: ClusterWorld) -> None:
    """A cron job that runs again and again does its work: that is no restart loop."""
    cron = world.cluster.put("cronjobs", "tick", spec={})
    done = {"conditions": [{"type": "Complete", "status": "True"}]}
    async with world.watching():
        for number in range(4):
            world.advance(seconds=30)
            world.cluster.moment = world.clock.now()
            job = world.cluster.put("jobs", f"tick-{number}", metadata=world.cluster.owned_by("cronjobs", cron), spec={}, status={})
            world.cluster.run_pod(f"tick-{number}-1", metadata=world.cluster.owned_by("jobs", job))
            await world.until(in_state("tick", RUNNING))
            world.cluster.put("jobs", f"tick-{number}", status=done)
            await world.until(in_state("tick", ContainerState.COMPLETED))
    assert await world.alert_types() == []


async def test_archive_and_come_back(world: ClusterWorld) -> None:
    """A workload that is removed is archived; made again it is the same record."""
    world.cluster.deploy("web")
    async with world.watching():
        world.cluster.remove("deployments", "web")
        await world.until(lambda found: found[0].is_archived)
        world.cluster.remove("replicasets", "web-1")
        world.cluster.remove("pods", "web-1-1")
        world.cluster.deploy("web", image="nginx:1.28")
        found = await world.until(lambda found: in_state("web", RUNNING)(found) and found[0].image == "nginx:1.28")
    assert [each.id for each in found] == [1]


async def test_tell_missing_permission(world: ClusterWorld) -> None:
    """The status of the runtime names what may not be done; when it is granted the core connects by itself."""
    world.cluster.forbidden = {("list", "pods")}
    world.cluster.deploy("web")
    async with world.running():
        status = await world.link.settled_status()
        assert (status.engine, status.fault, status.runtime_type) == (None, RuntimeFault.PERMISSION_DENIED, "kubernetes")
        assert status.message.startswith("system:serviceaccount:monitoring:lumetry may not list pods in the whole cluster.")
        world.cluster.forbidden = set()
        await world.until_watching()
        assert [each.name for each in await world.containers()] == ["web"]


async def test_lose_permission(world: ClusterWorld) -> None:
    """A permission that is taken back breaks the connection with its name; states keep their last value."""
    world.cluster.deploy("web")

    def is_denied(status: RuntimeStatus | None) -> bool:
        return status is not None and status.fault is RuntimeFault.PERMISSION_DENIED

    async with world.watching():
        world.cluster.forbidden = {("watch", "pods"), ("list", "pods")}
        await world.cluster.watched.wait()
        world.cluster.end_watches()
        async with asyncio.timeout(20):
            await world.link.until(lambda link: is_denied(link.status))
        assert [each.state for each in await world.containers()] == [RUNNING]


async def test_choose_container_of_log(world: ClusterWorld) -> None:
    """A container of the workload is chosen by name; another name is refused with those that there are."""
    world.cluster.deploy("web")
    world.cluster.write("web-1-1", "hello")
    async with world.watching():
        found = (await world.containers())[0]
        async with open_log(world.link, found, 10, None, name="app") as (_engine, lines):
            assert [line.text async for line in lines] == ["hello"]
        with pytest.raises(LumetryError) as raised:
            async with open_log(world.link, found, 10, None, name="side"):
                pass
    error = raised.value
    assert (error.reason, [(each.path, each.message) for each in error.faults]) == (
        Reason.VALIDATION_FAILED,
        [("container", "must be one of app")],
    )
