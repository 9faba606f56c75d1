"""Says why a runtime cannot be reached, and what the operator can do about it."""

import grp
import os
import pwd
from pathlib import Path

import aiohttp

from lumetry_core.containers.places import Candidate, EngineError, RuntimeFault


def explain(candidate: Candidate, error: Exception) -> EngineError:
    """What a connection that was not made means."""
    if isinstance(error, aiohttp.ClientSSLError):
        return EngineError(RuntimeFault.TLS_ERROR, f"{candidate.address} and this process do not accept each other's certificates.")
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, PermissionError):
        return EngineError(RuntimeFault.PERMISSION_DENIED, explain_permission(candidate.socket, user_name(), owner_of(candidate.socket)))
    if isinstance(cause, FileNotFoundError):
        return EngineError(RuntimeFault.NOT_FOUND, f"{candidate.address} does not exist.")
    if isinstance(error, aiohttp.ClientConnectorError) or isinstance(cause, ConnectionRefusedError):
        return EngineError(RuntimeFault.UNREACHABLE, f"Nothing can be reached at {candidate.address}.")
    return EngineError(RuntimeFault.UNREACHABLE, f"{candidate.address} does not answer as a container runtime.")


def explain_permission(socket: str, user: str, owner: tuple[str, int] | None) -> str:
    """Names the socket, who may open it, and the ways to be one of them.

    Args:
        socket: The path.
        user: Whoever this process runs as.
        owner: Name (empty when the number has none, as inside a container) and number of the group that owns it; None when it is hidden.
    """
    if owner is None:
        return (
            f"{socket} may not be opened by {user}: a folder above it is closed. For the socket of a rootless engine, run Lumetry as the "
            "user who runs the engine, or name a socket that may be opened in DOCKER_HOST."
        )
    name, number = owner
    told = f"the group {name} (gid {number})" if name else f"the group with gid {number}, which has no name here"
    if number == 0:
        ways = (
            f"{socket} is open to root only: run Lumetry as root, or give the socket a group of its own (Podman: SocketGroup= and "
            "SocketMode=0660 in podman.socket) and add the user to it."
        )
    else:
        command = f'On a host: "sudo usermod -aG {name} {user}", then restart Lumetry. ' if name else ""
        ways = f'{command}In a container: "--group-add {number}", or in Compose "group_add: [\'{number}\']" beside the socket\'s volume.'
    return f"{socket} may not be opened by {user}; it belongs to {told}. {ways}"


def owner_of(path: str) -> tuple[str, int] | None:
    """The group that owns a socket; None when the folder above hides it."""
    try:
        number = Path(path).stat().st_gid
    except OSError:
        return None
    try:
        return grp.getgrgid(number).gr_name, number
    except KeyError:
        return "", number


def user_name() -> str:
    """Whoever this process runs as."""
    number = os.geteuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"
