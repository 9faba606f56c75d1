"""Connects to whatever runtime a place may have."""

from lumetry_core.containers import docker
from lumetry_core.containers.engine import Engine
from lumetry_core.containers.places import Candidate


async def connect(candidate: Candidate) -> Engine:
    """Connects to a candidate; what only clusters need is loaded when there is one.

    Raises:
        EngineError: Nobody is there who can be used.
    """
    if candidate.kubernetes is None:
        return await docker.connect(candidate)
    from lumetry_core.containers import kubernetes  # noqa: PLC0415 -- belongs to the package extra

    return await kubernetes.connect(candidate)
