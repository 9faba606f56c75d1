"""A cluster of Kubernetes as a container runtime: each workload is one container. It reads and never changes anything."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime

import msgspec

from lumetry_core.containers.engine import EngineEvent, EngineInfo, Image, Inspected, Listed, LogLine, RefusedError, Stats
from lumetry_core.containers.kubernetes_access import NOT_FOUND, Access, open_access
from lumetry_core.containers.kubernetes_cluster import Cluster
from lumetry_core.containers.kubernetes_events import events_between
from lumetry_core.containers.kubernetes_metrics import ClusterMetrics
from lumetry_core.containers.kubernetes_objects import Thing, Version
from lumetry_core.containers.kubernetes_pods import Doing, view_pod
from lumetry_core.containers.kubernetes_states import live_pods, see
from lumetry_core.containers.kubernetes_watching import ClusterWatch
from lumetry_core.containers.log_frames import LogReader
from lumetry_core.containers.places import Candidate, EngineError, EngineIdentity, KubernetesSettings, RuntimeFault
from lumetry_core.runtime.clock import EPOCH, SystemClock, spell_time

CONNECT_SECONDS = 5.0

version_decoder = msgspec.json.Decoder(Version)


async def connect(candidate: Candidate, now: Callable[[], datetime] | None = None) -> "KubernetesEngine":
    """Connects to a cluster and lists it.

    Args:
        candidate: Where it is.
        now: The time; None: of this machine.

    Raises:
        EngineError: It cannot be used; permissions that are missing are named.
    """
    settings = candidate.kubernetes or KubernetesSettings()
    access = await open_access(candidate, settings)
    engine = KubernetesEngine(access, settings, now or SystemClock().now)
    try:
        await engine.begin()
    except RefusedError as refusal:
        await access.close()
        raise EngineError(RuntimeFault.UNREACHABLE, f"{access.address} answered: {refusal.message}") from refusal
    except BaseException:
        await access.close()
        raise
    return engine


class KubernetesEngine:
    """See `Engine`. What workloads are is remembered, and kept as it is while somebody listens to events."""

    def __init__(self, access: Access, settings: KubernetesSettings, now: Callable[[], datetime]) -> None:
        self.identity = EngineIdentity("kubernetes", "", "")
        self._access = access
        self._now = now
        self._cluster = Cluster(settings.excluded_namespaces)
        namespaces = [name for name in settings.namespaces if name not in settings.excluded_namespaces]
        self._watch = ClusterWatch(access, self._cluster, namespaces, self._look_again)
        self._metrics = ClusterMetrics(access, namespaces, now)
        self._seen: dict[str, Inspected] = {}
        self._restarts: dict[str, int] = {}
        self._waiting: asyncio.Queue[EngineEvent | Exception] = asyncio.Queue()

    @property
    def address(self) -> str:
        """See `Engine.address`."""
        return self._access.address

    async def begin(self) -> None:
        """Asks who is there, and lists everything."""
        version = await self._access.ask(version_decoder, "/version", seconds=CONNECT_SECONDS)
        self.identity = EngineIdentity("kubernetes", version.git_version.removeprefix("v"), f"{version.major}.{version.minor}".strip("."))
        try:
            await self._watch.list_all()
        except ExceptionGroup as group:
            raise first_of(group) from group
        self._look_again(set(self._cluster.external_ids))
        self._waiting = asyncio.Queue()

    async def info(self) -> EngineInfo:
        """See `Engine.info`: all nodes together, as far as they may be listed."""
        await self._access.ask(version_decoder, "/version")
        return await self._metrics.read_capacity()

    async def list_containers(self) -> Sequence[Listed]:
        """See `Engine.list_containers`."""
        return [Listed(each.external_id, each.name, each.image, each.state) for each in self._seen.values()]

    async def inspect(self, external_id: str) -> Inspected | None:
        """See `Engine.inspect`."""
        return self._seen.get(external_id)

    async def inspect_image(self, image: str) -> Image | None:
        """See `Engine.inspect_image`: nodes tell an image by its digest, unless it came from no registry."""
        return Image(image, (image,) if "@" in image else (), ()) if image else None

    async def stats(self, external_id: str) -> Stats | None:
        """See `Engine.stats`: from `metrics.k8s.io`; None where the cluster does not have it."""
        seen, family = self._seen.get(external_id), self._cluster.look(external_id)
        if seen is None or family is None or seen.state != "running":
            return None
        return await self._metrics.read_stats(external_id, live_pods(family))

    @asynccontextmanager
    async def events(self) -> AsyncIterator[AsyncIterator[EngineEvent]]:
        """See `Engine.events`."""
        following = asyncio.create_task(self._follow())
        try:
            yield self._read_events()
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following

    async def _follow(self) -> None:
        try:
            await self._watch.follow_all()
        except ExceptionGroup as group:
            self._waiting.put_nowait(first_of(group))

    async def _read_events(self) -> AsyncIterator[EngineEvent]:
        while True:
            found = await self._waiting.get()
            if isinstance(found, RefusedError):
                raise EngineError(RuntimeFault.UNREACHABLE, f"{self.address} answered: {found.message}") from found
            if isinstance(found, Exception):
                raise found
            yield found

    @asynccontextmanager
    async def logs(
        self,
        external_id: str,
        *,
        lines: int | None,
        since: datetime | None = None,
        follow: bool = False,
        container: str = "",
        previous: bool = False,
    ) -> AsyncIterator[AsyncIterator[LogLine]]:
        """See `Engine.logs`: of one pod, the newest that runs. Kubernetes does not keep the streams apart."""
        family, seen = self._cluster.look(external_id), self._seen.get(external_id)
        if family is None or seen is None or seen.workload is None:
            raise RefusedError(NOT_FOUND, "The workload does not exist any more.")
        pod = choose_pod(live_pods(family))
        if pod is None:
            raise RefusedError(NOT_FOUND, "The workload has no pod.")
        name = container or next(iter(seen.workload.container_names), "")
        parameters = {"container": name, "timestamps": "true", "follow": str(follow).lower(), "previous": str(previous).lower()}
        if lines is not None:
            parameters["tailLines"] = str(lines)
        if since is not None:
            parameters["sinceTime"] = spell_time(since)
        path = f"/api/v1/namespaces/{family.namespace}/pods/{pod.metadata.name}/log"
        async with self._access.stream(path, parameters) as response:
            yield self._read_lines(self._access.read_pieces(response))

    async def _read_lines(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[LogLine]:
        reader = LogReader(is_plain=True)
        async for piece in pieces:
            for line in reader.feed(piece):
                yield line
        for line in reader.finish():
            yield line

    async def close(self) -> None:
        """See `Engine.close`."""
        await self._access.close()

    def _look_again(self, external_ids: set[str]) -> None:
        """Sees workloads as they are now, and tells what happened to them."""
        for external_id in sorted(external_ids):
            family = self._cluster.look(external_id)
            before, restarts = self._seen.pop(external_id, None), self._restarts.pop(external_id, 0)
            views, after = [], None
            if family is not None:
                after = self._seen[external_id] = see(family)
                views = [view_pod(pod) for pod in live_pods(family)]
                self._restarts[external_id] = sum(view.restarts for view in views)
            for event in events_between(before, after, views, restarts, self._now()):
                self._waiting.put_nowait(event)


def choose_pod(pods: Sequence[Thing]) -> Thing | None:
    """The pod whose log is read: one that runs, else one that crashed, else any; of several the newest."""
    order = (Doing.RUNS, Doing.CRASHES, Doing.FAILED, Doing.SUCCEEDED, Doing.STUCK, Doing.WAITS)
    return min(
        pods,
        key=lambda pod: (order.index(view_pod(pod).doing), -(pod.metadata.creation_timestamp or EPOCH).timestamp(), pod.metadata.name),
        default=None,
    )


def first_of(group: ExceptionGroup[Exception]) -> Exception:
    """What went wrong first."""
    return group.exceptions[0]
