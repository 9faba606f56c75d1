"""A client of the Docker Engine API, which Podman serves as well. It reads and never changes anything."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
import structlog

from lumetry_core.containers.docker_answers import (
    EventAnswer,
    ImageAnswer,
    InfoAnswer,
    InspectAnswer,
    ListedAnswer,
    StatsAnswer,
    VersionAnswer,
    unix_seconds,
)
from lumetry_core.containers.engine import EngineEvent, EngineInfo, Image, Inspected, Listed, LogLine, RefusedError, Stats
from lumetry_core.containers.log_frames import FrameError, LogReader
from lumetry_core.containers.obstacles import explain
from lumetry_core.containers.places import Candidate, EngineError, EngineIdentity, RuntimeFault

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 2.0
"""For the first answer: a candidate that says nothing must not hold up the next one."""
CALL_SECONDS = 10.0
MAX_VERSION_BYTES = 256 * 1024
MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""Thousands of containers with long labels."""
MAX_EVENT_BYTES = 1024 * 1024
MAX_REASON_LENGTH = 300
MAX_CONNECTIONS = 100
NOT_MODIFIED, NOT_FOUND = 304, 404
CONTAINERS_ONLY = '{"type":["container"]}'

T = TypeVar("T")

version_decoder = msgspec.json.Decoder(VersionAnswer)
info_decoder = msgspec.json.Decoder(InfoAnswer)
list_decoder = msgspec.json.Decoder(list[ListedAnswer])
inspect_decoder = msgspec.json.Decoder(InspectAnswer)
event_decoder = msgspec.json.Decoder(EventAnswer)
stats_decoder = msgspec.json.Decoder(StatsAnswer)
image_decoder = msgspec.json.Decoder(ImageAnswer)


class Refused(msgspec.Struct):
    """Why the engine refuses."""

    message: str = ""


refused_decoder = msgspec.json.Decoder(Refused)


async def connect(candidate: Candidate, timeout_seconds: float = CONNECT_SECONDS) -> "DockerEngine":
    """Connects to whoever is there.

    Raises:
        EngineError: Nobody who can be used.
    """
    session = open_session(candidate)
    engine = DockerEngine(candidate, session)
    try:
        engine.identity = await engine.ask_version(timeout_seconds)
    except BaseException:
        await session.close()
        raise
    return engine


def open_session(candidate: Candidate) -> aiohttp.ClientSession:
    """A session whose relative addresses are the engine's."""
    if candidate.socket:
        connector: aiohttp.BaseConnector = aiohttp.UnixConnector(candidate.socket, limit=MAX_CONNECTIONS)
        base = "http://engine"
    else:
        connector = aiohttp.TCPConnector(ssl=build_tls(candidate) if candidate.tls else True, limit=MAX_CONNECTIONS)
        base = f"{'https' if candidate.tls else 'http'}://{candidate.host}:{candidate.port}"
    return aiohttp.ClientSession(base, connector=connector, cookie_jar=aiohttp.DummyCookieJar(), read_bufsize=MAX_EVENT_BYTES)


def build_tls(candidate: Candidate) -> ssl.SSLContext:
    """The client's certificate and whom it trusts.

    Raises:
        EngineError: The files cannot be used.
    """
    folder = Path(candidate.cert_path)
    try:
        context = ssl.create_default_context(cafile=folder / "ca.pem" if candidate.verify else None)
        if not candidate.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    except (OSError, ssl.SSLError) as error:
        raise EngineError(RuntimeFault.TLS_ERROR, f"The certificates in {folder} cannot be used.") from error
    return context


class DockerEngine:
    """See `Engine`."""

    def __init__(self, candidate: Candidate, session: aiohttp.ClientSession) -> None:
        self.identity = EngineIdentity("docker", "", "")
        self._candidate = candidate
        self._session = session

    @property
    def address(self) -> str:
        """See `Engine.address`."""
        return self._candidate.address

    async def ask_version(self, timeout_seconds: float = CALL_SECONDS) -> EngineIdentity:
        """Asks who is there.

        Raises:
            EngineError: Nobody who can be used.
        """
        try:
            return (await self._ask(version_decoder, "/version", timeout_seconds=timeout_seconds, max_bytes=MAX_VERSION_BYTES)).read()
        except RefusedError as refusal:
            raise EngineError(RuntimeFault.UNREACHABLE, f"{self.address} answered with status {refusal.status}.") from refusal

    async def info(self) -> EngineInfo:
        """See `Engine.info`."""
        return (await self._ask(info_decoder, "/info")).read()

    async def list_containers(self) -> Sequence[Listed]:
        """See `Engine.list_containers`."""
        return [each.read() for each in await self._ask(list_decoder, "/containers/json", {"all": "1"})]

    async def inspect(self, external_id: str) -> Inspected | None:
        """See `Engine.inspect`."""
        found = await self._find(inspect_decoder, f"/containers/{quote(external_id, safe='')}/json")
        return None if found is None else found.read()

    async def stats(self, external_id: str) -> Stats | None:
        """See `Engine.stats`."""
        parameters = {"stream": "false", "one-shot": "true"}
        found = await self._find(stats_decoder, f"/containers/{quote(external_id, safe='')}/stats", parameters)
        return None if found is None else found.read_stats()

    async def inspect_image(self, image: str) -> Image | None:
        """See `Engine.inspect_image`."""
        found = await self._find(image_decoder, f"/images/{quote(image, safe='/:@')}/json")
        return None if found is None else found.read()

    @asynccontextmanager
    async def events(self) -> AsyncIterator[AsyncIterator[EngineEvent]]:
        """See `Engine.events`."""
        async with self._stream("/events", {"filters": CONTAINERS_ONLY}) as response:
            yield self._read_events(response)

    async def _read_events(self, response: aiohttp.ClientResponse) -> AsyncIterator[EngineEvent]:
        rest = b""
        async for content in self._read_pieces(response):
            *lines, rest = (rest + content).split(b"\n")
            if len(rest) > MAX_EVENT_BYTES:
                raise EngineError(RuntimeFault.UNREACHABLE, f"{self.address} sends events that never end.")
            for line in lines:
                if not line.strip():
                    continue
                try:
                    event = event_decoder.decode(line).read()
                except (msgspec.MsgspecError, ValueError) as error:
                    raise self._unintelligible() from error
                if event is not None:
                    yield event

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
        """See `Engine.logs`."""
        inspected = await self.inspect(external_id)
        if inspected is None:
            raise RefusedError(NOT_FOUND, "The container does not exist any more.")
        parameters = {"stdout": "1", "stderr": "1", "timestamps": "1", "follow": "1" if follow else "0"}
        parameters["tail"] = "all" if lines is None else str(lines)
        if since is not None:
            parameters["since"] = unix_seconds(since)
        async with self._stream(f"/containers/{quote(external_id, safe='')}/logs", parameters) as response:
            yield self._read_lines(response, LogReader(is_plain=inspected.has_terminal))

    async def _read_lines(self, response: aiohttp.ClientResponse, reader: LogReader) -> AsyncIterator[LogLine]:
        try:
            async for content in self._read_pieces(response):
                for line in reader.feed(content):
                    yield line
        except FrameError as error:
            raise RefusedError(response.status, "The runtime sent a log that cannot be read.") from error
        for line in reader.finish():
            yield line

    async def close(self) -> None:
        """See `Engine.close`."""
        await self._session.close()

    async def _find(self, decoder: msgspec.json.Decoder[T], path: str, parameters: Mapping[str, str] | None = None) -> T | None:
        """An answer; None when there is no such thing."""
        try:
            return await self._ask(decoder, path, parameters)
        except RefusedError as refusal:
            if refusal.status == NOT_FOUND:
                return None
            raise

    async def _ask(
        self,
        decoder: msgspec.json.Decoder[T],
        path: str,
        parameters: Mapping[str, str] | None = None,
        *,
        timeout_seconds: float = CALL_SECONDS,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> T:
        """A whole answer, decoded."""
        try:
            async with asyncio.timeout(timeout_seconds), self._stream(path, parameters) as response:
                pieces, size = [], 0
                async for piece in self._read_pieces(response):
                    pieces.append(piece)
                    size += len(piece)
                    if size > max_bytes:
                        raise self._unintelligible()
        except TimeoutError as error:
            raise EngineError(RuntimeFault.UNREACHABLE, f"{self.address} did not answer within {timeout_seconds:g} s.") from error
        try:
            return decoder.decode(b"".join(pieces))
        except (msgspec.MsgspecError, ValueError) as error:
            raise self._unintelligible() from error

    @asynccontextmanager
    async def _stream(self, path: str, parameters: Mapping[str, str] | None) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer whose body is read as it comes; failures of the engine are raised before."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CALL_SECONDS)
        try:
            async with asyncio.timeout(CALL_SECONDS):
                response = await self._session.get(path, params=parameters, allow_redirects=False, timeout=timeout)
        except TimeoutError as error:
            raise EngineError(RuntimeFault.UNREACHABLE, f"{self.address} did not answer within {CALL_SECONDS:g} s.") from error
        except (aiohttp.ClientError, OSError) as error:
            raise explain(self._candidate, error) from error
        try:
            if response.status != 200:
                raise RefusedError(response.status, await self._read_reason(response))
            yield response
        finally:
            response.close()

    async def _read_pieces(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """The body piece by piece."""
        try:
            async for piece in response.content.iter_any():
                yield piece
        except (aiohttp.ClientError, OSError) as error:
            raise EngineError(RuntimeFault.UNREACHABLE, f"{self.address} closed the connection.") from error

    async def _read_reason(self, response: aiohttp.ClientResponse) -> str:
        """What the engine says of its refusal, cut to a length for people."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                content = await response.content.read(MAX_VERSION_BYTES)
            told = refused_decoder.decode(content).message
        except (TimeoutError, aiohttp.ClientError, OSError, msgspec.MsgspecError, ValueError) as error:
            log.debug("the engine gives no reason", error=str(error))
            told = ""
        return " ".join(told.split())[:MAX_REASON_LENGTH] or f"The runtime answered with status {response.status}."

    def _unintelligible(self) -> EngineError:
        return EngineError(RuntimeFault.UNREACHABLE, f"{self.address} does not answer as a container runtime.")
