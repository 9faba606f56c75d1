"""Finds the container runtime."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from lumetry_core.containers.engine import Engine
from lumetry_core.containers.places import (
    Candidate,
    EngineError,
    RuntimeFault,
    RuntimeSettings,
    RuntimeStatus,
    list_candidates,
    most_telling,
)

Connect = Callable[[Candidate], Awaitable[Engine]]
"""Connects to a candidate; raises `EngineError`."""


async def find_engine(
    settings: RuntimeSettings, connect: Connect, now: datetime, first_time: datetime | None
) -> tuple[Engine | None, RuntimeStatus]:
    """The first place where an engine answers, and what is known of the runtime.

    Args:
        settings: Where to look.
        connect: How to connect.
        now: The present.
        first_time: When this process was connected for the first time; None: never yet.
    """
    if settings.runtime == "none":
        return None, RuntimeStatus(None, "", None, RuntimeFault.DISABLED, "LUMETRY_RUNTIME is none.")
    try:
        candidates = list_candidates(settings)
    except EngineError as failure:
        return None, RuntimeStatus(None, "", first_time, failure.fault, failure.message)
    failures: list[tuple[Candidate, EngineError]] = []
    for candidate in candidates:
        try:
            engine = await connect(candidate)
        except EngineError as failure:
            failures.append((candidate, failure))
            continue
        # A file names a cluster, which has an address of its own.
        address = engine.address if candidate.kubernetes else candidate.address
        return engine, RuntimeStatus(engine.identity, address, first_time or now, runtime_type=candidate.runtime_type)
    place, cause = most_telling(failures)
    if place is None:
        return None, RuntimeStatus(None, "", first_time, cause.fault, cause.message)
    return None, RuntimeStatus(None, place.address, first_time, cause.fault, cause.message, place.runtime_type)
