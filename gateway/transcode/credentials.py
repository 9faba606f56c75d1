"""What of a request travels on as gRPC metadata: the credential, the request id and where the client is. The core judges them."""

import re
import uuid
from collections.abc import Mapping

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
PRINTABLE = re.compile(r"[\x20-\x7e]*")
UNPRINTABLE = re.compile(r"[^\x20-\x7e]")
MAX_CREDENTIAL_LENGTH = 4096
MAX_AGENT_LENGTH = 256

Metadata = tuple[tuple[str, str], ...]


def adopt_request_id(given: str | None) -> str:
    """The client's own request id when it is usable, else a new one."""
    if given is not None and REQUEST_ID.fullmatch(given):
        return given
    return uuid.uuid4().hex


def read_credential(headers: Mapping[str, str]) -> str:
    """The Authorization header; empty when absent or not transportable, which the core answers like a missing one."""
    value = headers.get("Authorization", "").strip()
    return value if len(value) <= MAX_CREDENTIAL_LENGTH and PRINTABLE.fullmatch(value) else ""


def build_metadata(headers: Mapping[str, str], request_id: str, address: str | None) -> Metadata:
    """The metadata of every call made for one request."""
    entries = [("x-request-id", request_id)]
    credential = read_credential(headers)
    if credential:
        entries.append(("authorization", credential))
    if address:
        entries.append(("x-client-address", address))
    agent = UNPRINTABLE.sub("", headers.get("User-Agent", "")).strip()[:MAX_AGENT_LENGTH]
    if agent:
        entries.append(("x-client-agent", agent))
    return tuple(entries)
