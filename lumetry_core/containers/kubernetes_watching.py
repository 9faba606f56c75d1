"""Keeps what is remembered of a cluster as it is: lists everything once, then watches from there on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec

from lumetry_core.containers.engine import RefusedError
from lumetry_core.containers.kubernetes_access import FORBIDDEN, GONE, Access
from lumetry_core.containers.kubernetes_cluster import Cluster
from lumetry_core.containers.kubernetes_objects import RESOURCES, Failure, Resource, Thing, ThingList, WatchEvent
from lumetry_core.containers.kubernetes_permissions import explain_missing

PAGE = 500
WATCH_SECONDS = 290
"""So long the server is asked to keep a watch; another one follows."""
IDLE_SECONDS = 330.0
MAX_LINE_BYTES = 16 * 1024 * 1024
LISTS_AT_ONCE = 4
MAX_RELISTS = 3
PAUSE_SECONDS = 1.0

list_decoder = msgspec.json.Decoder(ThingList)
event_decoder = msgspec.json.Decoder(WatchEvent)
thing_decoder = msgspec.json.Decoder(Thing)
failure_decoder = msgspec.json.Decoder(Failure)

Scope = tuple[Resource, str]
"""Objects of a kind in a namespace; no namespace: in the cluster."""
Tell = Callable[[set[str]], None]
"""Is told which workloads may be other than before."""


class GoneError(Exception):
    """The server does not remember what happened since a version; everything has to be listed anew."""


class ClusterWatch:
    """Lists and watches."""

    def __init__(self, access: Access, cluster: Cluster, namespaces: Sequence[str], tell: Tell) -> None:
        self._access = access
        self._cluster = cluster
        self._tell = tell
        self._scopes: list[Scope] = [(resource, namespace) for resource in RESOURCES for namespace in namespaces or ("",)]
        self._versions: dict[Scope, str] = {}

    async def list_all(self) -> None:
        """Lists everything.

        Raises:
            EngineError: The cluster cannot be reached, or something may not be listed; then all of it is told at once.
            RefusedError: It answers with another failure.
        """
        gate = asyncio.Semaphore(LISTS_AT_ONCE)

        async def list_gated(scope: Scope) -> RefusedError | None:
            async with gate:
                try:
                    await self._list(scope)
                except RefusedError as refusal:
                    if refusal.status == FORBIDDEN:
                        return refusal
                    raise
            return None

        async with asyncio.TaskGroup() as group:
            tasks = [(scope, group.create_task(list_gated(scope))) for scope in self._scopes]
        denied = [(scope, refusal) for scope, task in tasks if (refusal := task.result())]
        if denied:
            missing = [(resource.spelled, namespace) for (resource, namespace), _ in denied]
            raise explain_missing("list", missing, denied[0][1].message)

    async def follow_all(self) -> None:
        """Watches everything, until cancelled or something is raised as `list_all` raises it."""
        async with asyncio.TaskGroup() as group:
            for scope in self._scopes:
                group.create_task(self._follow(scope))

    async def _follow(self, scope: Scope) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await self._watch(scope)
            except GoneError:
                self._tell(await self._list(scope))
            except TimeoutError:
                continue
            except RefusedError as refusal:
                if refusal.status == FORBIDDEN:
                    raise explain_missing("watch", [(scope[0].spelled, scope[1])], refusal.message) from refusal
                raise
            if loop.time() - began < PAUSE_SECONDS:
                await asyncio.sleep(PAUSE_SECONDS)

    async def _list(self, scope: Scope) -> set[str]:
        """Takes in all objects of a kind; which workloads may be other than before."""
        resource, namespace = scope
        for attempt in range(MAX_RELISTS):
            things: list[Thing] = []
            continued = ""
            try:
                while True:
                    parameters = {"limit": str(PAGE), **({"continue": continued} if continued else {})}
                    page = await self._access.ask(list_decoder, resource.path(namespace), parameters)
                    things += page.items or ()
                    continued = page.metadata.continued
                    if not continued:
                        break
            except RefusedError as refusal:
                if refusal.status == GONE and attempt + 1 < MAX_RELISTS:  # paging took too long
                    continue
                raise
            break
        self._versions[scope] = page.metadata.resource_version
        return self._cluster.replace(resource.kind, namespace, things)

    async def _watch(self, scope: Scope) -> None:
        """Takes in what happens, until the server ends the watch."""
        resource, namespace = scope
        parameters = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._versions[scope],
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        try:
            async with self._access.stream(resource.path(namespace), parameters, idle_seconds=IDLE_SECONDS) as response:
                async for line in self._read_lines(self._access.read_pieces(response)):
                    try:
                        self._take(scope, event_decoder.decode(line))
                    except (msgspec.MsgspecError, ValueError) as error:
                        raise self._access.unintelligible() from error
        except RefusedError as refusal:
            if refusal.status == GONE:
                raise GoneError from refusal
            raise

    def _take(self, scope: Scope, event: WatchEvent) -> None:
        if event.type == "ERROR":
            failure = failure_decoder.decode(event.object)
            if failure.code == GONE:
                raise GoneError
            raise RefusedError(failure.code, failure.message)
        thing = thing_decoder.decode(event.object)
        self._versions[scope] = thing.metadata.resource_version
        if event.type in ("ADDED", "MODIFIED"):
            self._tell(self._cluster.put(scope[0].kind, thing))
        elif event.type == "DELETED":
            self._tell(self._cluster.drop(thing.metadata.uid))

    async def _read_lines(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        rest = bytearray()
        async for piece in pieces:
            if b"\n" not in piece:
                rest += piece
            else:
                *lines, last = bytes(rest + piece).split(b"\n")
                for line in lines:
                    if line.strip():
                        yield line
                rest = bytearray(last)
            if len(rest) > MAX_LINE_BYTES:
                raise self._access.unintelligible()
