"""How an agent gets its credential."""

import asyncio
from collections.abc import Mapping

import structlog

from lumetry.hostagents.v1 import host_agent_channel_service_pb2 as agents_pb
from lumetry_core.collectors.agent.enrolling import EnrollmentError
from lumetry_core.collectors.agent.failures import CallError, CredentialError, RelayRequiredError, UnreachableError
from lumetry_core.collectors.agent.hostagent.line import note_relay_required, read_elapsed
from lumetry_core.collectors.agent.hostagent.route import Route, RouteChoice
from lumetry_core.collectors.agent.pacing import Backoff
from lumetry_core.collectors.agent.state import Credential, Mode, State, digest_token
from lumetry_core.collectors.agent.transport import Transport

log = structlog.get_logger(__name__)


def find_credential(state: State, token: str | None) -> Credential | None:
    """The credential to use; None: the token has to be exchanged for one. Another token than last time means that this is wanted.

    Raises:
        EnrollmentError: There is neither, or the directory is that of a collector.
    """
    known = state.load_credential()
    if known is not None and known.mode is not Mode.AGENT:
        raise EnrollmentError(f"{state.folder} is the state directory of a collector; an agent needs its own.")
    if known is not None and (not token or digest_token(token) == known.token_digest):
        return known
    if not token:
        raise EnrollmentError("This agent has not enrolled yet and needs an enrollment token.")
    return None


async def enroll(
    token: str, request: agents_pb.EnrollHostAgentRequest, transports: Mapping[Route, Transport], choice: RouteChoice, backoff: Backoff
) -> Credential:
    """Exchanges the token, as soon as the product can be reached one way or the other.

    Raises:
        EnrollmentError: The product does not take it.
    """
    while True:
        for route in choice.list_routes(read_elapsed()):
            try:
                answer = await transports[route].enroll_agent(token, request)
            except RelayRequiredError as error:
                note_relay_required(choice, route, error)
            except UnreachableError as error:
                if backoff.failures == 0:
                    log.warning("the product cannot be reached to enroll", way=route.value, error=str(error))
            except CallError as error:
                raise explain_refusal(error) from error
            else:
                log.info("enrolled", agent_id=answer.agent_id, agent_key=answer.agent_key, way=route.value)
                return read_credential(answer, token)
        await asyncio.sleep(backoff.pause())


def explain_refusal(error: CallError) -> EnrollmentError:
    """What a refusal means to people."""
    if isinstance(error, CredentialError):
        return EnrollmentError(f"The product refuses the enrollment token: its profile is unknown, has expired or is full. ({error})")
    return EnrollmentError(f"The product refuses to enroll this host: {error}")


def read_credential(answer: agents_pb.EnrollHostAgentResponse, token: str) -> Credential:
    """What to keep of an enrollment."""
    return Credential(
        answer.agent_key,
        answer.credential,
        answer.heartbeat_interval_seconds,
        digest_token(token),
        mode=Mode.AGENT,
        agent_id=answer.agent_id,
    )
