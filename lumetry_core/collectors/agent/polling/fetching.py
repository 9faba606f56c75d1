"""Asking over HTTP."""

from base64 import b64encode

from lumetry_core.collectors.agent.polling.model import MAX_ANSWER_BYTES, Fetch, PollError, Source
from lumetry_core.runtime.addresses import Policy
from lumetry_core.runtime.outbound import OutboundAnswer, OutboundClient, OutboundError, OutboundRequest

MAX_SECONDS = 60.0
"""The longest timeout of an item (contract lumetry 5.8); the item's own is kept besides."""
UNAUTHORIZED = (401, 403)


def make_client(policy: Policy, proxy: str = "") -> OutboundClient:
    """A client whose limits fit polling. One byte more than an answer may have is read, to tell one that has more."""
    return OutboundClient(policy, total_seconds=MAX_SECONDS, body_seconds=MAX_SECONDS, max_answer_bytes=MAX_ANSWER_BYTES + 1, proxy=proxy)


def write_headers(source: Source) -> dict[str, str]:
    """The headers that say who asks: a secret without a user name is a bearer token."""
    headers = {"Accept": "application/json"}
    if source.target.username:
        pair = f"{source.target.username}:{source.secret}".encode()
        headers["Authorization"] = f"Basic {b64encode(pair).decode()}"
    elif source.secret:
        if not source.secret.isascii() or not source.secret.isprintable():
            raise PollError("the secret cannot be a bearer token: it has characters that no header can have")
        headers["Authorization"] = f"Bearer {source.secret}"
    return headers


async def ask(fetch: Fetch, request: OutboundRequest) -> OutboundAnswer:
    """The complete answer to a request, whatever its status but a redirect.

    Raises:
        PollError: There is none, or not as it may be.
    """
    try:
        answer = await fetch.send(request)
    except OutboundError as error:
        raise PollError(error.message) from None  # the request in its context holds the secret
    if 300 <= answer.status < 400:
        raise PollError(f"the answer is a redirect ({answer.status}), and redirects are not followed")
    if answer.status in UNAUTHORIZED:
        raise PollError(f"the source refuses the credentials ({answer.status})")
    promised = answer.headers.get("content-length", "")
    if len(answer.body) > MAX_ANSWER_BYTES or (promised.isascii() and promised.isdigit() and int(promised[:20]) > MAX_ANSWER_BYTES):
        raise PollError(f"the answer has more than {MAX_ANSWER_BYTES // 1024**2} MiB")
    if answer.headers.get("content-encoding", "identity").lower() != "identity":
        raise PollError("the answer is compressed, though none was asked for that is")
    return answer
