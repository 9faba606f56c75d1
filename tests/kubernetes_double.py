"""A cluster that answers as the Kubernetes API reference says: workloads live and die as a test wants, in memory."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

PATHS = {
    "pods": "/api/v1",
    "deployments": "/apis/apps/v1",
    "statefulsets": "/apis/apps/v1",
    "daemonsets": "/apis/apps/v1",
    "replicasets": "/apis/apps/v1",
    "jobs": "/apis/batch/v1",
    "cronjobs": "/apis/batch/v1",
    "nodes": "/api/v1",
}
KINDS = {
    "pods": "Pod",
    "deployments": "Deployment",
    "statefulsets": "StatefulSet",
    "daemonsets": "DaemonSet",
    "replicasets": "ReplicaSet",
    "jobs": "Job",
    "cronjobs": "CronJob",
    "nodes": "Node",
}
USER = "system:serviceaccount:monitoring:lumetry"
Thing = dict[str, Any]


@dataclass
class Log:
    """What a container of a pod wrote."""

    lines: list[tuple[str, str]] = field(default_factory=list)
    """Time and text."""
    previous: list[tuple[str, str]] = field(default_factory=list)
    is_over: bool = False
    written: asyncio.Event = field(default_factory=asyncio.Event)


class ClusterDouble:
    """What the cluster has, and how it behaves."""

    def __init__(self) -> None:
        self.things: dict[str, dict[str, Thing]] = {plural: {} for plural in PATHS}
        self.logs: dict[tuple[str, str, str], Log] = {}
        """By namespace, pod and container."""
        self.metrics: dict[tuple[str, str], Mapping[str, str]] | None = None
        """Usage by namespace and pod; None: the cluster measures nothing."""
        self.asked: list[str] = []
        self.tokens: list[str | None] = []
        self.forbidden: set[tuple[str, str]] = set()
        """Verbs and resources that the user may not use."""
        self.token = "secret-token"
        self.page_size = 500
        self.oldest = 0
        """Versions before are forgotten."""
        self.moment = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
        self.port = 0
        self._version = 100
        self._made = 0
        self._history: list[tuple[int, str, str, Thing]] = []
        self._changed = asyncio.Event()
        self._is_ending = False
        self.watched = asyncio.Event()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def kubeconfig(self, folder: Path) -> Path:
        """A file that names it."""
        path = folder / "kubeconfig"
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [{"name": "test", "cluster": {"server": self.url}}],
            "users": [{"name": "test", "user": {"token": self.token}}],
        }
        path.write_text(json.dumps(document))
        return path

    # what happens

    def put(self, plural: str, name: str, namespace: str = "shop", **parts: Any) -> Thing:
        """Makes an object, or replaces parts of one."""
        key = f"{namespace}/{name}"
        thing = deepcopy(self.things[plural].get(key))
        kind = "MODIFIED" if thing else "ADDED"
        if thing is None:
            self._made += 1
            meta = {"name": name, "namespace": namespace, "uid": f"uid-{self._made}", "creationTimestamp": self.spell()}
            thing = {"metadata": meta}
        for part, value in parts.items():
            thing[part] = thing["metadata"] | value if part == "metadata" else value
        self._tell(plural, key, thing, kind)
        self.things[plural][key] = thing
        return thing

    def remove(self, plural: str, name: str, namespace: str = "shop") -> None:
        """Removes an object."""
        key = f"{namespace}/{name}"
        self._tell(plural, key, self.things[plural].pop(key), "DELETED")

    def owned_by(self, plural: str, owner: Thing) -> dict[str, Any]:
        """The metadata of what an object made."""
        meta = owner["metadata"]
        return {"ownerReferences": [{"kind": KINDS.get(plural, plural), "name": meta["name"], "uid": meta["uid"], "controller": True}]}

    def deploy(self, name: str, namespace: str = "shop", *, replicas: int = 1, image: str = "nginx:1.27", **meta: Any) -> Thing:
        """A Deployment with its ReplicaSet and running pods, named after both."""
        template = {"metadata": {}, "spec": {"containers": [{"name": "app", "image": image}]}}
        deployment = self.put("deployments", name, namespace, metadata=meta, spec={"replicas": replicas, "template": template}, status={})
        owner = self.owned_by("deployments", deployment)
        replica_set = self.put(
            "replicasets", f"{name}-1", namespace, metadata=owner, spec={"replicas": replicas, "template": template}, status={}
        )
        for number in range(1, replicas + 1):
            self.run_pod(f"{name}-1-{number}", namespace, image=image, metadata=self.owned_by("replicasets", replica_set))
        return deployment

    def run_pod(self, name: str, namespace: str = "shop", *, image: str = "nginx:1.27", metadata: Any = None, **status: Any) -> Thing:
        """A pod that runs, and is ready unless its status is told."""
        return self.put(
            "pods",
            name,
            namespace,
            metadata=metadata or {},
            spec={"containers": [{"name": "app", "image": image}], "restartPolicy": "Always"},
            status={**self.status("app"), **status},
        )

    def status(
        self,
        name: str,
        *,
        ready: bool = True,
        restarts: int = 0,
        waiting: tuple[str, str] | None = None,
        ended: Mapping[str, Any] | None = None,
        phase: str = "Running",
        lost: bool = False,
    ) -> dict[str, Any]:
        """The status of a pod with one container."""
        state: dict[str, Any] = {"running": {"startedAt": self.spell()}}
        if waiting:
            state, ready = {"waiting": {"reason": waiting[0], "message": waiting[1]}}, False
        last = {"terminated": {"finishedAt": self.spell(), **ended}} if ended else {}
        since = self.spell(seconds=1 if ready or lost else -1)
        return {
            "phase": phase,
            "conditions": [
                {"type": "PodScheduled", "status": "True", "lastTransitionTime": self.spell()},
                {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": since},
            ],
            "containerStatuses": [
                {
                    "name": name,
                    "ready": ready,
                    "restartCount": restarts,
                    "imageID": f"docker.io/library/nginx@sha256:{'a' * 64}",
                    "state": state,
                    "lastState": last,
                }
            ],
        }

    def write(self, pod: str, *lines: str, container: str = "app", namespace: str = "shop", previous: bool = False) -> None:
        """A container writes lines."""
        log = self.log(pod, container, namespace)
        (log.previous if previous else log.lines).extend((self.spell(), line) for line in lines)
        log.written.set()

    def log(self, pod: str, container: str = "app", namespace: str = "shop") -> Log:
        """The log of a container."""
        return self.logs.setdefault((namespace, pod, container), Log())

    def forget_history(self) -> None:
        """No watch can go on from before now, and those that run end."""
        self.oldest = self._version
        self._history.clear()
        self.end_watches()

    def end_watches(self) -> None:
        """Ends all watches as servers do after a while."""
        self._is_ending = True
        self._wake()

    def spell(self, **span: float) -> str:
        """The cluster's time, or another as far from it."""
        return (self.moment + timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _tell(self, plural: str, key: str, thing: Thing, kind: str) -> None:
        self._version += 1
        thing["metadata"]["resourceVersion"] = str(self._version)
        self._history.append((self._version, plural, kind, deepcopy(thing)))
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    # what it answers

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers a request."""
        assert request.method == "GET", "nothing but reading"
        self.asked.append(request.path_qs)
        self.tokens.append(request.headers.get("Authorization"))
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return refuse(401, "Unauthorized")
        try:
            return await self._answer(request)
        except ConnectionError:  # the client left
            return web.Response()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        parts = request.path.strip("/").split("/")
        match parts:
            case ["version"]:
                return web.json_response({"major": "1", "minor": "34", "gitVersion": "v1.34.1", "platform": "linux/amd64"})
            case ["api", "v1", "namespaces", namespace, "pods", pod, "log"]:
                return await self._send_log(request, namespace, pod)
            case ["apis", "metrics.k8s.io", "v1beta1", *rest] if rest[-1] == "pods":
                return self._measure(rest[1] if len(rest) > 1 else "")
            case [*root, "namespaces", namespace, plural] if PATHS.get(plural) == "/" + "/".join(root):
                return await self._list(request, plural, namespace)
            case [*root, plural] if PATHS.get(plural) == "/" + "/".join(root):
                return await self._list(request, plural, "")
        return refuse(404, "the server could not find the requested resource")

    async def _list(self, request: web.BaseRequest, plural: str, namespace: str) -> web.StreamResponse:
        verb = "watch" if request.query.get("watch") in ("1", "true") else "list"
        if (verb, plural) in self.forbidden:
            return forbid(verb, plural, namespace)
        if verb == "watch":
            return await self._watch(request, plural, namespace)
        found = [thing for thing in self.things[plural].values() if namespace in ("", thing["metadata"]["namespace"])]
        start = int(request.query.get("continue") or 0)
        end = start + min(int(request.query.get("limit") or self.page_size), self.page_size)
        meta = {"resourceVersion": str(self._version), **({"continue": str(end)} if end < len(found) else {})}
        kind, version = f"{KINDS[plural]}List", PATHS[plural].removeprefix("/api/").removeprefix("/apis/")
        return web.json_response({"kind": kind, "apiVersion": version, "metadata": meta, "items": found[start:end] or None})

    async def _watch(self, request: web.BaseRequest, plural: str, namespace: str) -> web.StreamResponse:
        version = int(request.query["resourceVersion"])
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        if version < self.oldest:
            gone = {"kind": "Status", "status": "Failure", "reason": "Expired", "code": 410, "message": "too old resource version"}
            await response.write(json.dumps({"type": "ERROR", "object": gone}).encode() + b"\n")
            await response.write_eof()
            return response
        self.watched.set()
        self._is_ending = False
        while not self._is_ending:
            changed = self._changed
            for at, changed_plural, kind, thing in list(self._history):
                if at > version and changed_plural == plural and namespace in ("", thing["metadata"]["namespace"]):
                    await response.write(json.dumps({"type": kind, "object": {"kind": KINDS[plural], **thing}}).encode() + b"\n")
            version = self._version
            bookmark = {"kind": KINDS[plural], "metadata": {"resourceVersion": str(version)}}
            await response.write(json.dumps({"type": "BOOKMARK", "object": bookmark}).encode() + b"\n")
            await changed.wait()
        await response.write_eof()
        return response

    async def _send_log(self, request: web.BaseRequest, namespace: str, pod: str) -> web.StreamResponse:
        if ("get", "pods/log") in self.forbidden:
            return forbid("get", "pods/log", namespace)
        container = request.query["container"]
        if f"{namespace}/{pod}" not in self.things["pods"]:
            return refuse(404, f'pods "{pod}" not found')
        spec = self.things["pods"][f"{namespace}/{pod}"]["spec"]
        if container not in [each["name"] for each in spec["containers"]]:
            return refuse(400, f"container {container} is not valid for pod {pod}")
        log = self.log(pod, container, namespace)
        is_previous, follows = request.query.get("previous") == "true", request.query.get("follow") == "true"
        since = request.query.get("sinceTime", "")
        lines = [line for line in (log.previous if is_previous else log.lines) if line[0] >= since]
        tail = request.query.get("tailLines")
        sent = max(len(lines) - int(tail), 0) if tail is not None else 0
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        while True:
            log.written.clear()
            for time, text in lines[sent:]:
                await response.write(f"{time[:-1]}.000000000Z {text}\n".encode())
            sent = len(lines)
            if not follows or log.is_over:
                break
            await log.written.wait()
            lines = log.lines
        await response.write_eof()
        return response

    def _measure(self, namespace: str) -> web.Response:
        if self.metrics is None:
            return refuse(404, "the server could not find the requested resource")
        items = [
            {"metadata": {"name": pod, "namespace": space}, "window": "15s", "containers": [{"name": "app", "usage": dict(usage)}]}
            for (space, pod), usage in self.metrics.items()
            if namespace in ("", space)
        ]
        return web.json_response({"kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": items})


def forbid(verb: str, resource: str, namespace: str) -> web.Response:
    """The refusal of something that the user may not do."""
    group = PATHS.get(resource, "").removeprefix("/api/v1").removeprefix("/apis/").removesuffix("/v1")
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    name = f"{resource}.{group}" if group else resource
    told = f'{name} is forbidden: User "{USER}" cannot {verb} resource "{resource}" in API group "{group}" {where}'
    return refuse(403, told)


def refuse(status: int, message: str) -> web.Response:
    """A failure as the server tells it."""
    return web.json_response(
        {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "code": status}, status=status
    )


@asynccontextmanager
async def serving_cluster(cluster: ClusterDouble, tls: ssl.SSLContext | None = None) -> AsyncIterator[ClusterDouble]:
    """Serves on a free port of this host."""
    runner = web.ServerRunner(web.Server(cluster), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    cluster.port = runner.addresses[0][1]
    try:
        yield cluster
    finally:
        cluster.end_watches()
        for log in cluster.logs.values():
            log.is_over = True
            log.written.set()
        await runner.cleanup()
