"""Decides what is told of a workload that is not as it was. Pure."""

from collections.abc import Sequence
from datetime import datetime

from lumetry_core.containers.engine import EngineEvent, Inspected
from lumetry_core.containers.kubernetes_objects import Terminated
from lumetry_core.containers.kubernetes_pods import OUT_OF_MEMORY, PodView


def events_between(
    before: Inspected | None, after: Inspected | None, views: Sequence[PodView], restarts: int, now: datetime
) -> list[EngineEvent]:
    """What happened to a workload.

    A container that ended and runs again before anybody looked is told as such when its pod is the only one: then the workload was away.

    Args:
        before: As it was; None: it is new.
        after: As it is; None: it is gone.
        views: Its pods now.
        restarts: Of its pods before.
        now: The present.
    """
    if after is None:
        return [] if before is None else [EngineEvent("destroy", before.external_id, before.name, now)]
    if before is not None and before.state == after.state == "running" and len(views) == 1 and views[0].restarts > restarts:
        end = views[0].last_end or Terminated()
        ended, started = end.finished_at or now, after.start_time or now
        told = [EngineEvent("oom", after.external_id, after.name, ended)] if end.reason == OUT_OF_MEMORY else []
        return [
            *told,
            EngineEvent("die", after.external_id, after.name, ended, exit_code=end.exit_code),
            EngineEvent("start", after.external_id, after.name, max(started, ended)),
            EngineEvent("update", after.external_id, after.name, now),
        ]
    if before == after:
        return []
    has_ended = before is not None and before.state == "running" and after.state in ("failed", "restarting")
    return [EngineEvent("update", after.external_id, after.name, now, has_ended=has_ended)]
