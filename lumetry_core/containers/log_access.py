"""Reads logs through the runtime for people, and says why it cannot."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from enum import StrEnum

from lumetry_core.containers.engine import Engine, LogLine, RefusedError
from lumetry_core.containers.model import Container
from lumetry_core.containers.places import EngineError
from lumetry_core.containers.runtime import RuntimeLink
from lumetry_core.runtime.errors import Faults, LumetryError, Reason

RUNS = frozenset({"running", "paused", "restarting"})


class End(StrEnum):
    """Why a log that was followed ended in good order."""

    CONTAINER_STOPPED = "container_stopped"
    RUNTIME_DISCONNECTED = "runtime_disconnected"


async def read_lines(link: RuntimeLink, container: Container, lines: int, since: datetime | None) -> list[LogLine]:
    """The last lines of a log. Fails with CONFLICT, its code `runtime_unavailable` or `logs_unavailable`."""
    found: list[LogLine] = []
    async with open_log(link, container, lines, since) as (_engine, reading):
        async for line in reading:
            found.append(line)
            # Long lines are cut into several, and engines do not always keep to the number.
            del found[:-lines]
    return found


@asynccontextmanager
async def open_log(
    link: RuntimeLink, container: Container, lines: int, since: datetime | None, *, follow: bool = False, name: str = ""
) -> AsyncIterator[tuple[Engine, AsyncIterator[LogLine]]]:
    """A log, and the engine that it is read from. Fails like `read_lines`, inside the block too unless the failure is caught there.

    `name` picks a container of a workload; fails with VALIDATION_FAILED when it has none of that name. Single containers have none inside.
    """
    engine = link.engine
    if engine is None:
        status = link.status
        told = status.message if status is not None and status.message else "No container runtime is connected."
        raise unavailable("runtime_unavailable", told)
    try:
        chosen = await choose(engine, container, name) if name else ""
        async with engine.logs(container.external_id, lines=lines, since=since, follow=follow, container=chosen) as reading:
            yield engine, reading
    except RefusedError as refusal:
        raise unavailable("logs_unavailable", refusal.message) from refusal
    except EngineError as failure:
        raise unavailable("runtime_unavailable", failure.message) from failure


async def list_names(link: RuntimeLink, container: Container) -> tuple[str, ...]:
    """The containers inside of a workload, as the cluster has it now; none of a single container, and none without a connection."""
    if container.runtime_type != "kubernetes" or link.engine is None:
        return ()
    try:
        seen = await link.engine.inspect(container.external_id)
    except (EngineError, RefusedError):
        return ()
    return () if seen is None or seen.workload is None else tuple(seen.workload.container_names)


async def choose(engine: Engine, container: Container, name: str) -> str:
    """The container of a workload that has a name; empty for a single container."""
    seen = await engine.inspect(container.external_id)
    if seen is None or seen.workload is None:
        return ""
    faults = Faults()
    faults.check(name in seen.workload.container_names, "container", f"must be one of {', '.join(seen.workload.container_names)}")
    faults.raise_if_any()
    return name


async def find_end(engine: Engine, container: Container) -> End:
    """Why a log came to its end: the container stopped, or the engine did."""
    try:
        seen = await engine.inspect(container.external_id)
    except (EngineError, RefusedError):
        return End.RUNTIME_DISCONNECTED
    return End.RUNTIME_DISCONNECTED if seen is not None and seen.state in RUNS else End.CONTAINER_STOPPED


def unavailable(code: str, message: str) -> LumetryError:
    """The failure of a log that cannot be read."""
    return LumetryError(Reason.CONFLICT, message, code=code)
