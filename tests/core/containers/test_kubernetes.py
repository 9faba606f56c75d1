import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lumetry_core.containers import connecting
from lumetry_core.containers.engine import EngineInfo, Inspected, Listed, LogLine, RefusedError, Stats, Stream, Workload
from lumetry_core.containers.places import Candidate, EngineError, EngineIdentity, KubernetesSettings, RuntimeFault
from tests.conftest import FakeClock
from tests.core.certificates.authority import issue, make_root
from tests.kubernetes_double import ClusterDouble, serving_cluster

pytest.importorskip("kubernetes_asyncio", reason="the package extra `kubernetes` is not installed")

from lumetry_core.containers.kubernetes import KubernetesEngine, connect

DIGEST = f"docker.io/library/nginx@sha256:{'a' * 64}"


@pytest.fixture
async def cluster(clock: FakeClock) -> AsyncIterator[ClusterDouble]:
    """A cluster that runs."""
    made = ClusterDouble()
    made.moment = clock.now()
    async with serving_cluster(made):
        yield made


@pytest.fixture
def candidate(cluster: ClusterDouble, tmp_path: Path) -> Candidate:
    """The cluster as a file names it."""
    path = str(cluster.kubeconfig(tmp_path))
    return Candidate(path, kubernetes=KubernetesSettings(kubeconfig=path))


@pytest.fixture
async def engine(candidate: Candidate, cluster: ClusterDouble, clock: FakeClock) -> AsyncIterator[KubernetesEngine]:
    """A connection to a cluster in which a shop runs."""
    cluster.deploy("web", replicas=2, labels={"app": "web"}, annotations={"lumetry.group": "front", "other": "x"})
    made = await connect(candidate, clock.now)
    yield made
    await made.close()


def limited(candidate: Candidate, **settings: tuple[str, ...]) -> Candidate:
    """The same with other settings."""
    assert candidate.kubernetes is not None
    return replace(candidate, kubernetes=replace(candidate.kubernetes, **settings))


async def refusal_of(candidate: Candidate) -> tuple[RuntimeFault, str]:
    """Why there is no connection."""
    with pytest.raises(EngineError) as raised:
        await connect(candidate)
    return raised.value.fault, raised.value.message


async def test_see_workload(engine: KubernetesEngine, cluster: ClusterDouble, clock: FakeClock) -> None:
    """A Deployment is one container with its pods; what it owns is no container of its own."""
    assert (engine.identity, engine.address) == (EngineIdentity("kubernetes", "1.34.1", "1.34"), cluster.url)
    assert await engine.list_containers() == [Listed("shop/Deployment/web", "web", "nginx:1.27", "running")]
    assert await engine.inspect("shop/Deployment/web") == Inspected(
        external_id="shop/Deployment/web",
        name="web",
        image="nginx:1.27",
        image_id=DIGEST,
        state="running",
        health="healthy",
        has_health_check=True,
        labels={"app": "web", "lumetry.group": "front"},
        start_time=clock.now(),
        workload=Workload("Deployment", "shop", "web", 2, 2, ("app",)),
    )
    image = await engine.inspect_image(DIGEST)
    assert image is not None
    assert image.digests == (DIGEST,)
    assert await engine.inspect("shop/web") is None


async def test_watch_namespaces(candidate: Candidate, cluster: ClusterDouble) -> None:
    """Named namespaces are listed one by one, which needs no permission in the whole cluster; excluded ones do not count."""
    for namespace in ("shop", "kube-system", "test"):
        cluster.deploy("web", namespace)
    engine = await connect(limited(candidate, namespaces=("shop", "test")))
    assert [each.external_id for each in await engine.list_containers()] == ["shop/Deployment/web", "test/Deployment/web"]
    assert not any(path.startswith("/api/v1/pods") for path in cluster.asked)
    await engine.close()
    engine = await connect(limited(candidate, excluded_namespaces=("kube-system",)))
    assert [each.external_id for each in await engine.list_containers()] == ["shop/Deployment/web", "test/Deployment/web"]
    await engine.close()


async def test_list_by_pages(candidate: Candidate, cluster: ClusterDouble) -> None:
    """Lists come in pages."""
    cluster.page_size = 2
    for number in range(5):
        cluster.run_pod(f"pod-{number}")
    engine = await connect(candidate)
    assert [each.external_id for each in await engine.list_containers()] == [f"shop/pod-{number}" for number in range(5)]
    await engine.close()


async def test_follow_changes(engine: KubernetesEngine, cluster: ClusterDouble, clock: FakeClock) -> None:
    """Whatever changes, comes or goes is told, and known from then on."""
    async with engine.events() as events, asyncio.timeout(10):
        await cluster.watched.wait()
        cluster.put("pods", "web-1-1", status=cluster.status("app", waiting=("CrashLoopBackOff", "back-off 10s")))
        event = await anext(events)
        assert (event.action, event.external_id, event.has_ended, event.time) == ("update", "shop/Deployment/web", False, clock.now())
        seen = await engine.inspect("shop/Deployment/web")
        assert seen is not None
        assert seen.workload is not None
        assert (seen.state, seen.health, seen.workload.ready_count) == ("running", "unhealthy", 1)
        assert seen.error == "1 of 2 pods are ready; web-1-1: CrashLoopBackOff: back-off 10s"
        cluster.put("pods", "web-1-2", status=cluster.status("app", waiting=("CrashLoopBackOff", "back-off 10s")))
        assert (await anext(events)).has_ended
        cluster.run_pod("alone")
        assert (await anext(events)).external_id == "shop/alone"
        cluster.remove("pods", "alone")
        event = await anext(events)
        assert (event.action, event.external_id) == ("destroy", "shop/alone")


async def test_go_on_after_watch_ends(engine: KubernetesEngine, cluster: ClusterDouble) -> None:
    """A watch that the server ends goes on where it was; when the server forgot that, everything is listed anew."""
    async with engine.events() as events, asyncio.timeout(20):
        await cluster.watched.wait()
        cluster.end_watches()
        cluster.run_pod("one")
        assert (await anext(events)).external_id == "shop/one"
        cluster.run_pod("two")
        cluster.remove("pods", "one")
        cluster.forget_history()
        found = {(event.action, event.external_id) for event in [await anext(events), await anext(events)]}
        assert found == {("destroy", "shop/one"), ("update", "shop/two")}


async def test_tell_restart_between_looks(engine: KubernetesEngine, cluster: ClusterDouble) -> None:
    """A pod alone that ended and runs again is told to have been away, in order; one of several only changes the workload."""
    cluster.run_pod("alone")
    async with engine.events() as events, asyncio.timeout(10):
        assert (await anext(events)).external_id == "shop/alone"
        cluster.put("pods", "alone", status=cluster.status("app", restarts=1, ended={"exitCode": 137, "reason": "OOMKilled"}))
        told = [await anext(events) for _ in range(4)]
        assert [(each.action, each.exit_code) for each in told] == [("oom", None), ("die", 137), ("start", None), ("update", None)]
        cluster.put("pods", "web-1-1", status=cluster.status("app", restarts=1, ready=False, ended={"exitCode": 1}))
        event = await anext(events)
        assert (event.action, event.external_id) == ("update", "shop/Deployment/web")


async def test_name_missing_permissions(candidate: Candidate, cluster: ClusterDouble) -> None:
    """Everything that may not be listed is told at once, with who may not and what allows it."""
    cluster.forbidden = {("list", "pods"), ("list", "cronjobs")}
    granted = "deployments.apps,statefulsets.apps,daemonsets.apps,replicasets.apps,cronjobs.batch,jobs.batch,pods,pods/log"
    told = (
        "system:serviceaccount:monitoring:lumetry may not list cronjobs.batch, pods in the whole cluster. Lumetry only reads; grant it: "
        f"kubectl create clusterrole lumetry --verb=get,list,watch --resource={granted} && kubectl create clusterrolebinding lumetry "
        "--clusterrole=lumetry --serviceaccount=monitoring:lumetry. Or watch some namespaces only: LUMETRY_K8S_NAMESPACES."
    )
    assert await refusal_of(candidate) == (RuntimeFault.PERMISSION_DENIED, told)
    _, message = await refusal_of(limited(candidate, namespaces=("shop", "test")))
    assert "may not list cronjobs.batch, pods in the namespaces shop, test. Lumetry only reads; grant it, in each of these" in message
    assert "kubectl create role lumetry --namespace=shop --verb=get,list,watch" in message


async def test_name_missing_watch(engine: KubernetesEngine, cluster: ClusterDouble) -> None:
    """Who may list and not watch is told so."""
    cluster.forbidden = {("watch", "pods")}
    async with engine.events() as events, asyncio.timeout(10):
        with pytest.raises(EngineError) as raised:
            await anext(events)
    assert raised.value.fault is RuntimeFault.PERMISSION_DENIED
    assert raised.value.message.startswith("system:serviceaccount:monitoring:lumetry may not watch pods in the whole cluster.")


async def test_refuse_credentials(candidate: Candidate, cluster: ClusterDouble) -> None:
    """Credentials that are not accepted are a matter of permission."""
    cluster.token = "another"
    told = f"{cluster.url} does not accept the credentials of this process."
    assert await refusal_of(candidate) == (RuntimeFault.PERMISSION_DENIED, told)


async def test_find_no_cluster(tmp_path: Path) -> None:
    """Without the file, without the account and without a server each says so."""
    missing, empty = str(tmp_path / "none"), tmp_path / "empty"
    empty.write_text("{}")
    assert await refusal_of(Candidate(missing, kubernetes=KubernetesSettings(kubeconfig=missing))) == (
        RuntimeFault.NOT_FOUND,
        f"{missing} does not exist.",
    )
    settings = KubernetesSettings(host="10.0.0.1", port="443", service_account=str(tmp_path))
    assert await refusal_of(Candidate("https://10.0.0.1:443", kubernetes=settings)) == (
        RuntimeFault.NOT_FOUND,
        f"{tmp_path / 'token'} does not exist: the pod has no service account.",
    )
    fault, message = await refusal_of(Candidate(str(empty), kubernetes=KubernetesSettings(kubeconfig=str(empty))))
    assert fault is RuntimeFault.UNREACHABLE
    assert message.startswith(f"{empty} cannot be used: ")
    nobody = ClusterDouble()
    nobody.port = 1
    path = str(nobody.kubeconfig(tmp_path))
    assert await refusal_of(Candidate(path, kubernetes=KubernetesSettings(kubeconfig=path))) == (
        RuntimeFault.UNREACHABLE,
        "Nothing can be reached at http://127.0.0.1:1.",
    )


async def test_read_logs(engine: KubernetesEngine, cluster: ClusterDouble, clock: FakeClock) -> None:
    """The log of the newest pod that runs, of the container that is named, and of the run before."""
    cluster.write("web-1-1", "one", "two", "three")
    cluster.write("web-1-1", "before", previous=True)
    async with engine.logs("shop/Deployment/web", lines=2) as lines:
        spelled = f"{cluster.spell()[:-1]}.000000000Z"
        assert [line async for line in lines] == [LogLine(text, Stream.STDOUT, clock.now(), spelled) for text in ("two", "three")]
    async with engine.logs("shop/Deployment/web", lines=None, previous=True) as lines:
        assert [line.text async for line in lines] == ["before"]
    with pytest.raises(RefusedError, match="container side is not valid for pod web-1-1"):
        async with engine.logs("shop/Deployment/web", lines=1, container="side"):
            pass
    with pytest.raises(RefusedError, match="does not exist any more"):
        async with engine.logs("shop/none", lines=1):
            pass
    cluster.forbidden = {("get", "pods/log")}
    with pytest.raises(RefusedError, match='cannot get resource "pods/log"'):
        async with engine.logs("shop/Deployment/web", lines=1):
            pass


async def test_follow_log(engine: KubernetesEngine, cluster: ClusterDouble) -> None:
    """New lines come as they are written, until the container ends."""
    cluster.write("web-1-1", "old", "one")
    async with asyncio.timeout(10), engine.logs("shop/Deployment/web", lines=1, follow=True) as reading:
        assert (await anext(reading)).text == "one"
        cluster.write("web-1-1", "two")
        assert (await anext(reading)).text == "two"
        cluster.log("web-1-1").is_over = True
        cluster.log("web-1-1").written.set()
        assert [line async for line in reading] == []


async def test_measure(engine: KubernetesEngine, cluster: ClusterDouble, clock: FakeClock) -> None:
    """What pods use is added up over time; without the metrics of the cluster there is nothing to tell."""
    assert await engine.stats("shop/Deployment/web") is None
    cluster.put("nodes", "node-1", "", status={"allocatable": {"cpu": "3500m", "memory": "8Gi"}})
    cluster.metrics = {("shop", f"web-1-{number}"): {"cpu": "250m", "memory": "100Mi"} for number in (1, 2)}
    clock.advance(minutes=10)
    assert await engine.info() == EngineInfo(3, 8 << 30)
    first = await engine.stats("shop/Deployment/web")
    now = clock.advance(seconds=10)
    assert first is not None
    assert first.cpu_total_ns == 0
    assert await engine.stats("shop/Deployment/web") == Stats(now, 5_000_000_000, 0, 3, 200 << 20, 0, 0, 0, 0, 0, 0)


async def test_ask_with_service_account(tmp_path: Path) -> None:
    """Inside of a cluster the token of the pod's account is used, and the authority beside it alone is trusted."""
    double = ClusterDouble()
    double.deploy("web")
    issued = issue("127.0.0.1", now=datetime.now(UTC), issuer=make_root())
    (tmp_path / "server.pem").write_bytes(issued.pem + issued.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "token").write_text(double.token)
    (tmp_path / "ca.crt").write_bytes(make_root().pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "server.pem")
    async with serving_cluster(double, context):
        place = in_cluster(tmp_path, double.port)
        engine = await connecting.connect(place)
        assert (engine.address, len(await engine.list_containers())) == (place.address, 1)
        await engine.close()
        assert set(double.tokens) == {"Bearer secret-token"}
        (tmp_path / "ca.crt").write_bytes(make_root("Another").pem)
        told = f"{place.address} and this process do not accept each other's certificates."
        assert await refusal_of(place) == (RuntimeFault.TLS_ERROR, told)


def in_cluster(folder: Path, port: int) -> Candidate:
    """A cluster as a pod of it knows it."""
    settings = KubernetesSettings(host="127.0.0.1", port=str(port), service_account=str(folder))
    return Candidate(f"https://127.0.0.1:{port}", kubernetes=settings)


async def test_refuse_broken_service_account(tmp_path: Path) -> None:
    """An authority that is missing or no certificate is told."""
    (tmp_path / "token").write_text("t")
    place = in_cluster(tmp_path, 1)
    fault, message = await refusal_of(place)
    assert (fault, message) == (RuntimeFault.UNREACHABLE, "https://127.0.0.1:1 cannot be used: Service certification file does not exists.")
    (tmp_path / "ca.crt").write_text("no certificate")
    fault, _ = await refusal_of(place)
    assert fault is RuntimeFault.TLS_ERROR
