"""The first contact: from an enrollment token to a credential."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from lumetry.collectors.v1 import collector_service_pb2 as collectors_pb
from lumetry_core import __version__
from lumetry_core.collectors.agent.failures import CallError, UnreachableError
from lumetry_core.collectors.agent.pacing import Backoff
from lumetry_core.collectors.agent.state import Credential, Mode, State, digest_token
from lumetry_core.collectors.agent.transport import Transport

log = structlog.get_logger(__name__)


class EnrollmentError(Exception):
    """The collector has no usable credential and cannot get one; its text is for people."""


def product_version() -> str:
    """The version of this collector."""
    return __version__


def find_credential(state: State, token: str | None) -> Credential | None:
    """The credential to use; None: the token has to be exchanged for one. Another token than last time means that this is wanted.

    Raises:
        EnrollmentError: The directory is that of an agent.
    """
    known = state.load_credential()
    if known is not None and known.mode is not Mode.COLLECTOR:
        raise EnrollmentError(f"{state.folder} is the state directory of a host agent; a collector needs its own.")
    return known if known is not None and (not token or digest_token(token) == known.token_digest) else None


async def enroll(
    transport: Transport,
    state: State,
    token: str,
    hostname: str,
    capabilities: Sequence[str],
    backoff: Backoff,
    on_absence: Callable[[], None],
) -> Credential:
    """Exchanges the token, as soon as the server is there, and keeps the credential.

    Args:
        transport: The way to the server.
        state: Where the credential is kept.
        token: What is exchanged.
        hostname: Name of this host.
        capabilities: What this collector can do.
        backoff: Between attempts.
        on_absence: Told of each attempt that did not reach the server.

    Raises:
        EnrollmentError: The server does not take the token.
        OSError: The credential cannot be kept.
    """
    request = collectors_pb.EnrollCollectorRequest(
        installation_id=state.installation_id, hostname=hostname, version=product_version(), capabilities=capabilities
    )
    while True:
        try:
            answer = await transport.enroll(token, request)
        except UnreachableError as error:
            if backoff.failures == 0:
                log.warning("the server cannot be reached to enroll, points are buffered", error=str(error))
            on_absence()
            await asyncio.sleep(backoff.pause(error.retry_after))
        except CallError as error:
            raise EnrollmentError(
                f"The server refuses the enrollment token: it is wrong, used up or older than a day. Make a new one. ({error})"
            ) from error
        else:
            credential = Credential(answer.collector_id, answer.credential, answer.heartbeat_interval_seconds, digest_token(token))
            state.save_credential(credential)
            log.info("enrolled", collector_id=credential.collector_id)
            return credential
