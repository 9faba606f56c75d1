"""A container engine that answers as the Docker Engine API reference says: containers live and die as a test wants, in memory."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

DOCKER_VERSION: Mapping[str, Any] = {
    "Platform": {"Name": "Docker Engine - Community"},
    "Components": [{"Name": "Engine", "Version": "27.3.1", "Details": {}}],
    "Version": "27.3.1",
    "ApiVersion": "1.47",
    "MinAPIVersion": "1.24",
}
PODMAN_VERSION: Mapping[str, Any] = {
    "Components": [{"Name": "Podman Engine", "Version": "5.2.2"}],
    "Version": "5.2.2",
    "ApiVersion": "1.41",
}
NO_TIME = "0001-01-01T00:00:00Z"
GIB = 1 << 30


@dataclass
class Box:
    """A container of the double."""

    id: str
    name: str
    image: str
    labels: dict[str, str]
    state: str = "created"
    exit_code: int = 0
    oom_killed: bool = False
    health: str | None = None
    tty: bool = False
    started_at: str = NO_TIME
    finished_at: str = NO_TIME
    lines: list[tuple[str, str, str]] = field(default_factory=list)
    """Stream, time and text of everything it wrote."""
    written: asyncio.Event = field(default_factory=asyncio.Event)
    stats: dict[str, Any] = field(default_factory=dict)
    """What differs from the usual answer, merged into it."""
    image_id: str = ""


class EngineDouble:
    """What the engine has, and how it behaves."""

    def __init__(self, version: Mapping[str, Any] = DOCKER_VERSION) -> None:
        self.version = version
        self.boxes: dict[str, Box] = {}
        self.images: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        """Paths with their queries, in order."""
        self.moment = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
        self.refusals: dict[str, tuple[int, str]] = {}
        """Status and message by the end of a path."""
        self.hold: asyncio.Event | None = None
        """While there, everything waits for it: an engine that is slow."""
        self.cpu_count, self.memory_bytes = 4, 8 * GIB
        self.port = 0
        self.max_at_once = 0
        self._at_once = 0
        self._made = 0
        self._streams: list[asyncio.Queue[dict[str, Any] | None]] = []
        self._transports: set[asyncio.BaseTransport] = set()
        self.opened = asyncio.Event()
        """Set when somebody listens to events."""

    # what happens to containers

    def create(self, name: str, image: str = "nginx:1.27", labels: Mapping[str, str] | None = None, *, tty: bool = False) -> Box:
        """Makes a container."""
        self._made += 1
        number = f"{self._made:064x}"
        box = Box(number, name, image, dict(labels or {}), tty=tty, image_id=f"sha256:{image.encode().hex()[:64]:0<64}")
        self.boxes[number] = box
        self.images.setdefault(image, {"Id": box.image_id, "RepoTags": [image], "RepoDigests": []})
        self.emit(box, "create")
        return box

    def start(self, box: Box, *, health: str | None = None) -> Box:
        """Starts a container, again too; with a health check its health is `starting` unless told."""
        box.state, box.exit_code, box.oom_killed, box.started_at = "running", 0, False, self.spell()
        box.health = health or ("starting" if box.health else None)
        self.emit(box, "start")
        return box

    def run(self, name: str, image: str = "nginx:1.27", labels: Mapping[str, str] | None = None, **options: Any) -> Box:
        """Makes and starts a container."""
        return self.start(self.create(name, image, labels, tty=options.pop("tty", False)), **options)

    def die(self, box: Box, exit_code: int, *, oom_killed: bool = False, state: str = "exited") -> None:
        """The process of a container ends."""
        box.state, box.exit_code, box.oom_killed, box.finished_at = state, exit_code, oom_killed, self.spell()
        if oom_killed:
            self.emit(box, "oom")
        self.emit(box, "die", exitCode=str(exit_code))
        box.written.set()

    def stop(self, box: Box, exit_code: int = 143) -> None:
        """Somebody stops a container."""
        self.emit(box, "kill", signal="15")
        self.die(box, exit_code)
        self.emit(box, "stop")

    def pause(self, box: Box) -> None:
        """Freezes a container."""
        box.state = "paused"
        self.emit(box, "pause")

    def unpause(self, box: Box) -> None:
        """Lets it go on."""
        box.state = "running"
        self.emit(box, "unpause")

    def set_health(self, box: Box, health: str) -> None:
        """The health check has another result."""
        box.health = health
        self.emit(box, f"health_status: {health}")

    def rename(self, box: Box, name: str) -> None:
        """Gives a container another name."""
        old, box.name = box.name, name
        self.emit(box, "rename", oldName=f"/{old}")

    def remove(self, box: Box) -> None:
        """Removes a container."""
        del self.boxes[box.id]
        self.emit(box, "destroy")

    def write(self, box: Box, *lines: str, stream: str = "stdout") -> None:
        """A container writes lines."""
        for line in lines:
            box.lines.append((stream, self.spell(), line))
        box.written.set()

    def emit(self, box: Box, action: str, **attributes: str) -> None:
        """Tells an event to all who listen."""
        nanoseconds = int(self.moment.timestamp() * 1000) * 1_000_000
        told = {
            "status": action,
            "id": box.id,
            "from": box.image,
            "Type": "container",
            "Action": action,
            "Actor": {"ID": box.id, "Attributes": {"name": box.name, "image": box.image, **box.labels, **attributes}},
            "scope": "local",
            "time": nanoseconds // 1_000_000_000,
            "timeNano": nanoseconds,
        }
        for stream in self._streams:
            stream.put_nowait(told)

    def advance(self, **span: float) -> datetime:
        """Moves the engine's clock on."""
        self.moment += timedelta(**span)
        return self.moment

    def spell(self) -> str:
        """The engine's time as it spells it."""
        return self.moment.strftime("%Y-%m-%dT%H:%M:%S.%f000Z")

    def drop_connections(self) -> None:
        """Every connection breaks, as when the engine is killed."""
        for transport in list(self._transports):
            transport.abort()  # type: ignore[attr-defined]

    def end_events(self) -> None:
        """Ends the event streams as an engine does that shuts down."""
        for stream in self._streams:
            stream.put_nowait(None)

    # what it answers

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers a request."""
        if request.method != "GET":
            return refuse(405, "page not found")
        self.asked.append(request.path_qs)
        if request.transport is not None:
            self._transports.add(request.transport)
        self._at_once += 1
        self.max_at_once = max(self.max_at_once, self._at_once)
        try:
            if self.hold is not None:
                await self.hold.wait()
            for end, (status, message) in self.refusals.items():
                if request.path.endswith(end):
                    return refuse(status, message)
            return await self._answer(request)
        except ConnectionError:  # the client left
            return web.Response()
        finally:
            self._at_once -= 1
            if request.transport is not None:
                self._transports.discard(request.transport)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        match request.path.strip("/").split("/"):
            case ["_ping"]:
                return web.Response(text="OK")
            case ["version"]:
                return web.json_response(dict(self.version))
            case ["info"]:
                return web.json_response(
                    {"NCPU": self.cpu_count, "MemTotal": self.memory_bytes, "Name": "host", "SystemTime": self.spell()}
                )
            case ["events"]:
                return await self._send_events(request)
            case ["containers", "json"]:
                every = request.query.get("all") in ("1", "true", "True")
                return web.json_response([self._listed(box) for box in self.boxes.values() if every or box.state == "running"])
            case ["containers", identity, what]:
                return await self._answer_container(request, identity, what)
            case ["images", *name, "json"]:
                image = self.images.get("/".join(name)) or next((one for one in self.images.values() if one["Id"] == "/".join(name)), None)
                return refuse(404, f"No such image: {'/'.join(name)}") if image is None else web.json_response(image)
        return refuse(404, "page not found")

    async def _answer_container(self, request: web.BaseRequest, identity: str, what: str) -> web.StreamResponse:
        box = self._find(identity)
        if box is None:
            return refuse(404, f"No such container: {identity}")
        match what:
            case "json":
                return web.json_response(self._inspected(box))
            case "stats":
                return web.json_response(self._stats(box))
            case "logs":
                return await self._send_logs(request, box)
        return refuse(404, "page not found")

    def _find(self, identity: str) -> Box | None:
        return self.boxes.get(identity) or next((box for box in self.boxes.values() if box.name == identity), None)

    def _listed(self, box: Box) -> dict[str, Any]:
        return {
            "Id": box.id,
            "Names": [f"/{box.name}"],
            "Image": box.image,
            "ImageID": box.image_id,
            "Labels": box.labels,
            "State": box.state,
            "Status": "",
        }

    def _inspected(self, box: Box) -> dict[str, Any]:
        state = {
            "Status": box.state,
            "Running": box.state in ("running", "paused", "restarting"),
            "Paused": box.state == "paused",
            "Restarting": box.state == "restarting",
            "OOMKilled": box.oom_killed,
            "Dead": box.state == "dead",
            "Pid": 0,
            "ExitCode": box.exit_code,
            "Error": "",
            "StartedAt": box.started_at,
            "FinishedAt": box.finished_at,
        }
        config: dict[str, Any] = {"Image": box.image, "Labels": box.labels, "Tty": box.tty}
        if box.health is not None:
            state["Health"] = {"Status": box.health, "FailingStreak": 0, "Log": []}
            config["Healthcheck"] = {"Test": ["CMD", "true"]}
        return {"Id": box.id, "Name": f"/{box.name}", "Image": box.image_id, "State": state, "Config": config}

    def _stats(self, box: Box) -> dict[str, Any]:
        if box.state != "running":
            return {"read": NO_TIME, "preread": NO_TIME, "cpu_stats": {"cpu_usage": {"total_usage": 0}}, "memory_stats": {}}
        usual = {
            "read": self.spell(),
            "preread": NO_TIME,
            "cpu_stats": {
                "cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0},
                "system_cpu_usage": 0,
                "online_cpus": self.cpu_count,
            },
            "precpu_stats": {"cpu_usage": {"total_usage": 0}},
            "memory_stats": {"usage": 100 << 20, "limit": 1 << 30, "stats": {"inactive_file": 20 << 20}},
            "networks": {"eth0": {"rx_bytes": 0, "tx_bytes": 0}},
            "blkio_stats": {"io_service_bytes_recursive": None},
            "pids_stats": {"current": 1},
        }
        return usual | box.stats

    async def _send_events(self, request: web.BaseRequest) -> web.StreamResponse:
        wanted = json.loads(request.query.get("filters", "{}")).get("type", ["container"])
        stream: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        self._streams.append(stream)
        self.opened.set()
        try:
            while (told := await stream.get()) is not None:
                if told["Type"] in wanted:
                    await response.write(json.dumps(told).encode() + b"\n")
            await response.write_eof()
        finally:
            self._streams.remove(stream)
        return response

    async def _send_logs(self, request: web.BaseRequest, box: Box) -> web.StreamResponse:
        if not {"stdout", "stderr"} & {name for name, value in request.query.items() if value in ("1", "true")}:
            return refuse(400, "Bad parameters: you must choose at least one stream")
        kind = "raw" if box.tty else "multiplexed"
        response = web.StreamResponse(headers={"Content-Type": f"application/vnd.docker.{kind}-stream"})
        await response.prepare(request)
        tail, since = request.query.get("tail", "all"), float(request.query.get("since") or 0)
        first = max(len(box.lines) - int(tail), 0) if tail != "all" else 0
        is_stamped, follows = request.query.get("timestamps") == "1", request.query.get("follow") == "1"
        sent = first
        while True:
            box.written.clear()
            for stream, time, text in box.lines[sent:]:
                if datetime.fromisoformat(time[:26] + "+00:00").timestamp() >= since:
                    line = (f"{time} {text}" if is_stamped else text).encode() + (b"\r\n" if box.tty else b"\n")
                    await response.write(line if box.tty else frame(stream, line))
            sent = len(box.lines)
            if not follows or box.state not in ("running", "paused"):
                break
            await box.written.wait()
        await response.write_eof()
        return response


def frame(stream: str, content: bytes) -> bytes:
    """A piece of a log as the engine frames it."""
    return bytes([2 if stream == "stderr" else 1, 0, 0, 0]) + len(content).to_bytes(4) + content


def refuse(status: int, message: str) -> web.Response:
    """A failure as the engine tells it."""
    return web.json_response({"message": message}, status=status)


@asynccontextmanager
async def serving(engine: EngineDouble, socket: Path | None = None, tls: ssl.SSLContext | None = None) -> AsyncIterator[EngineDouble]:
    """Serves on a socket, or on a free port of this host."""
    runner = web.ServerRunner(web.Server(engine), shutdown_timeout=0.1)
    await runner.setup()
    site = web.UnixSite(runner, socket) if socket else web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    if socket is None:
        engine.port = runner.addresses[0][1]
    try:
        yield engine
    finally:
        engine.end_events()
        await runner.cleanup()
