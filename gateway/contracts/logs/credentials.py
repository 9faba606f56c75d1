"""Which credential a request presents, and where (contract logs 1.2, 1.3). The core judges it."""

import re
from collections.abc import Mapping

from gateway.transcode import credentials
from gateway.transcode.credentials import Metadata

KEY_HEADER = "x-api-key"
LOG_KEY = re.compile(r"ll_[0-9a-f]{48}")
BEARER = re.compile(r"bearer\s+(.*)", re.IGNORECASE | re.DOTALL)
REFUSED = "Bearer ll_"
"""Stands for a value that its place does not take, however good it is elsewhere: nobody's log key."""


def read_credential(headers: Mapping[str, str]) -> str:
    """The `authorization` metadata for the headers of a request: the log key header decides where it is given."""
    key = header_key(headers)
    if key:
        return present_key(key)
    authorization = credentials.read_credential(headers)
    bearer = BEARER.fullmatch(authorization)
    return REFUSED if bearer and bearer[1].startswith("ll_") else authorization


def header_key(headers: Mapping[str, str]) -> str:
    """The value of the log key header; empty: none."""
    return headers.get(KEY_HEADER, "").strip()


def present_key(key: str) -> str:
    """The `authorization` metadata for what stands where a log key belongs."""
    return f"Bearer {key}" if LOG_KEY.fullmatch(key) else REFUSED


def with_credential(metadata: Metadata, credential: str) -> Metadata:
    """Metadata that present another credential."""
    return (*(entry for entry in metadata if entry[0] != "authorization"), ("authorization", credential))
