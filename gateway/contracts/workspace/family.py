"""The `workspace` family: everything below `/api/v1` that no other family claims (contract workspace 1.1)."""

from gateway.config import Config
from gateway.contracts.workspace.errors import Envelope, render
from gateway.transcode.families import Family


def build_family(_config: Config) -> Family:
    """The family as configured."""
    return Family(name="workspace", prefixes=("/api/v1",), routes=(), render=render, problem=Envelope, trailing_slash=True)
