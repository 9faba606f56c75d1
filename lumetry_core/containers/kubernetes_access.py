"""Asks the API server of a cluster, with the configuration and the credentials that `kubernetes_asyncio` finds. It only reads."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import aiohttp
import msgspec
import structlog

from lumetry_core.containers.engine import RefusedError
from lumetry_core.containers.kubernetes_objects import Failure
from lumetry_core.containers.obstacles import explain
from lumetry_core.containers.places import Candidate, EngineError, KubernetesSettings, RuntimeFault

if TYPE_CHECKING:
    from kubernetes_asyncio.client import ApiClient, Configuration

log = structlog.get_logger(__name__)

CALL_SECONDS = 10.0
MAX_ANSWER_BYTES = 256 * 1024 * 1024
MAX_FAILURE_BYTES = 64 * 1024
MAX_REASON_LENGTH = 500
UNAUTHORIZED, FORBIDDEN, NOT_FOUND, GONE = 401, 403, 404, 410

T = TypeVar("T")

failure_decoder = msgspec.json.Decoder(Failure)


class Access:
    """A connection to an API server. Calls raise what those of `Engine` raise."""

    def __init__(self, candidate: Candidate, client: "ApiClient") -> None:
        self._client = client
        self._host = (client.configuration.host or "").rstrip("/")
        self._candidate = Candidate(self._host, kubernetes=candidate.kubernetes)

    @property
    def address(self) -> str:
        """The URL of the API server."""
        return self._candidate.address

    async def ask(
        self, decoder: msgspec.json.Decoder[T], path: str, parameters: Mapping[str, str] | None = None, *, seconds: float = CALL_SECONDS
    ) -> T:
        """A whole answer, decoded."""
        try:
            async with asyncio.timeout(seconds), self.stream(path, parameters) as response:
                pieces, size = [], 0
                async for piece in self.read_pieces(response):
                    pieces.append(piece)
                    size += len(piece)
                    if size > MAX_ANSWER_BYTES:
                        raise self.unintelligible()
        except TimeoutError as error:
            raise EngineError(RuntimeFault.UNREACHABLE, f"{self.address} did not answer within {seconds:g} s.") from error
        try:
            return decoder.decode(b"".join(pieces))
        except (msgspec.MsgspecError, ValueError) as error:
            raise self.unintelligible() from error

    @asynccontextmanager
    async def stream(
        self, path: str, parameters: Mapping[str, str] | None = None, *, idle_seconds: float | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer whose body is read as it comes; refusals are raised before.

        Args:
            path: What is asked for.
            parameters: How.
            idle_seconds: So long nothing may come before `TimeoutError` is raised by whoever reads; None: as long as it takes.
        """
        configuration = self._client.configuration
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CALL_SECONDS, sock_read=idle_seconds)
        headers = {"Accept": "application/json", "User-Agent": "lumetry"}
        try:
            async with asyncio.timeout(CALL_SECONDS):
                for setting in (await configuration.auth_settings()).values():
                    headers[setting["key"]] = setting["value"]
                response = await self._client.rest_client.pool_manager.get(
                    self._host + path,
                    params=parameters,
                    headers=headers,
                    proxy=configuration.proxy,
                    proxy_headers=configuration.proxy_headers,
                    server_hostname=configuration.tls_server_name,
                    allow_redirects=False,
                    timeout=timeout,
                )
        except TimeoutError as error:
            raise EngineError(RuntimeFault.UNREACHABLE, f"{self.address} did not answer within {CALL_SECONDS:g} s.") from error
        except (aiohttp.ClientError, OSError) as error:
            raise explain(self._candidate, error) from error
        try:
            if response.status == UNAUTHORIZED:
                raise EngineError(RuntimeFault.PERMISSION_DENIED, f"{self.address} does not accept the credentials of this process.")
            if response.status != 200:
                raise RefusedError(response.status, await self._read_reason(response))
            yield response
        finally:
            response.close()

    async def read_pieces(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """The body piece by piece."""
        try:
            async for piece in response.content.iter_any():
                yield piece
        except TimeoutError:
            raise
        except (aiohttp.ClientError, OSError) as error:
            raise EngineError(RuntimeFault.UNREACHABLE, f"{self.address} closed the connection.") from error

    async def close(self) -> None:
        """Hangs up."""
        await self._client.close()

    def unintelligible(self) -> EngineError:
        """What answers is no API server."""
        return EngineError(RuntimeFault.UNREACHABLE, f"{self.address} does not answer as Kubernetes does.")

    async def _read_reason(self, response: aiohttp.ClientResponse) -> str:
        """What the server says of its refusal."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                told = failure_decoder.decode(await response.content.read(MAX_FAILURE_BYTES)).message
        except (TimeoutError, aiohttp.ClientError, OSError, msgspec.MsgspecError, ValueError) as error:
            log.debug("the cluster gives no reason", error=str(error))
            told = ""
        return " ".join(told.split())[:MAX_REASON_LENGTH] or f"The cluster answered with status {response.status}."


async def open_access(candidate: Candidate, settings: KubernetesSettings) -> Access:
    """Reads the configuration; nothing is asked yet.

    Raises:
        EngineError: There is none, or it cannot be used.
    """
    await asyncio.to_thread(load_library)
    from kubernetes_asyncio.client import ApiClient, Configuration  # noqa: PLC0415 -- belongs to the package extra
    from kubernetes_asyncio.config import ConfigException  # noqa: PLC0415 -- same

    configuration = Configuration()
    configuration.connection_pool_maxsize = 0  # every watch and every log that is followed holds a connection
    try:
        if settings.host:
            load_service_account(configuration, settings)
        else:
            await load_file(configuration, settings)
        return Access(candidate, ApiClient(configuration))
    except ConfigException as error:
        raise EngineError(RuntimeFault.UNREACHABLE, f"{candidate.address} cannot be used: {error}") from error
    except OSError as error:  # certificates that cannot be read or understood are among these
        reason = error.strerror or str(error)
        raise EngineError(RuntimeFault.TLS_ERROR, f"The credentials for {candidate.address} cannot be used: {reason}") from error


def load_library() -> None:
    """Loads the library, which takes more than a second."""
    import kubernetes_asyncio.client  # noqa: PLC0415 -- belongs to the package extra
    import kubernetes_asyncio.config  # noqa: F401, PLC0415 -- same


def load_service_account(configuration: "Configuration", settings: KubernetesSettings) -> None:
    """The account of the pod that this process runs in; its token is read again as it is renewed."""
    from kubernetes_asyncio.config import load_incluster_config  # noqa: PLC0415 -- belongs to the package extra

    folder = Path(settings.service_account)
    if not (folder / "token").exists():
        raise EngineError(RuntimeFault.NOT_FOUND, f"{folder / 'token'} does not exist: the pod has no service account.")
    load_incluster_config(  # type: ignore[no-untyped-call]
        configuration,
        token_filename=str(folder / "token"),
        cert_filename=str(folder / "ca.crt"),
        environ={"KUBERNETES_SERVICE_HOST": settings.host, "KUBERNETES_SERVICE_PORT": settings.port},
    )


async def load_file(configuration: "Configuration", settings: KubernetesSettings) -> None:
    """The context that a person chose in a file; the file is not changed."""
    from kubernetes_asyncio.config import load_kube_config  # noqa: PLC0415 -- belongs to the package extra

    if not has_file(settings.kubeconfig):
        raise EngineError(RuntimeFault.NOT_FOUND, f"{settings.kubeconfig} does not exist.")
    await load_kube_config(settings.kubeconfig, client_configuration=configuration, persist_config=False)


def has_file(paths: str) -> bool:
    """Whether any of the files exists."""
    return any(Path(path).expanduser().exists() for path in paths.split(os.pathsep) if path)
