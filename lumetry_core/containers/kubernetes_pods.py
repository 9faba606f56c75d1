"""What a pod does, from what Kubernetes tells of it. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from lumetry_core.containers.kubernetes_objects import ContainerStatus, Terminated, Thing

CRASHING = "CrashLoopBackOff"
STUCK = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "PreCreateHookError",
        "PostStartHookError",
        "RunContainerError",
    }
)
"""A container that waits for one of these does not come by waiting."""
OUT_OF_MEMORY = "OOMKilled"


class Doing(Enum):
    """What a pod does."""

    WAITS = auto()
    """It will begin by itself."""
    STUCK = auto()
    """It cannot begin."""
    RUNS = auto()
    CRASHES = auto()
    """A container ended and waits to be started again."""
    SUCCEEDED = auto()
    FAILED = auto()


@dataclass(frozen=True, slots=True)
class PodView:
    """A pod."""

    name: str
    doing: Doing
    is_ready: bool
    is_failing: bool
    """It is not what it should be, and not because it just begins."""
    detail: str
    """What is wrong, for people; empty when nothing is."""
    restarts: int
    start_time: datetime | None
    """Since when its containers run."""
    last_end: Terminated | None
    """How the container ended that ended last."""


def view_pod(pod: Thing) -> PodView:
    """What a pod does."""
    status = pod.status
    statuses = [*(status.init_container_statuses or ()), *(status.container_statuses or ())]
    doing, detail = judge(pod, statuses)
    starts = [each.state.running.started_at for each in status.container_statuses or () if each.state.running]
    started = max((start for start in starts if start), default=None)
    ready = status.find_condition("Ready")
    is_ready = doing is Doing.RUNS and ready is not None and ready.status == "True"
    # Before it was ready for the first time the condition stands since before the start.
    lost = doing is Doing.RUNS and not is_ready and ready is not None and is_later(ready.last_transition_time, started)
    ends = [end for each in statuses for end in (each.state.terminated, each.last_state.terminated) if end]
    return PodView(
        name=pod.metadata.name,
        doing=doing,
        is_ready=is_ready,
        is_failing=lost or doing in (Doing.STUCK, Doing.CRASHES, Doing.FAILED),
        detail=detail or (describe("not ready", ready.message if ready else None) if lost else ""),
        restarts=sum(each.restart_count for each in statuses),
        start_time=started,
        last_end=max(ends, key=moment_of, default=None),
    )


def judge(pod: Thing, statuses: list[ContainerStatus]) -> tuple[Doing, str]:
    """What a pod does, and what is wrong with it."""
    status = pod.status
    if status.phase == "Succeeded":
        return Doing.SUCCEEDED, ""
    if status.phase == "Failed":
        ends = [describe_end(each.state.terminated) for each in statuses if each.state.terminated and each.state.terminated.exit_code]
        return Doing.FAILED, describe(status.reason, status.message) or next(iter(ends), "failed")
    waiting = [each.state.waiting for each in statuses if each.state.waiting]
    for word, doing in ((frozenset({CRASHING}), Doing.CRASHES), (STUCK, Doing.STUCK)):
        found = next((each for each in waiting if each.reason in word), None)
        if found is not None:
            return doing, describe(found.reason, found.message)
    scheduled = status.find_condition("PodScheduled")
    if scheduled is not None and scheduled.status == "False" and scheduled.reason == "Unschedulable":
        return Doing.STUCK, describe(scheduled.reason, scheduled.message)
    if status.phase == "Unknown":
        return Doing.STUCK, describe(status.reason or "Unknown", status.message)
    for each in status.container_statuses or ():
        end = each.state.terminated
        if end is not None and (pod.spec.restart_policy == "Always" or (pod.spec.restart_policy == "OnFailure" and end.exit_code)):
            return Doing.CRASHES, describe_end(end)
    if any(each.state.running for each in status.container_statuses or ()):
        return Doing.RUNS, ""
    return Doing.WAITS, ""


def describe(reason: str | None, message: str | None) -> str:
    """Both, as far as they are there."""
    return ": ".join(part for part in (reason, " ".join((message or "").split())) if part)


def describe_end(end: Terminated) -> str:
    """How a container ended."""
    return describe(f"{end.reason or 'Ended'} with exit code {end.exit_code}", end.message)


def is_later(moment: datetime | None, other: datetime | None) -> bool:
    """Whether a time is after another; not when one is not told."""
    return moment is not None and other is not None and moment > other


def moment_of(end: Terminated) -> float:
    """When a container ended, for comparison."""
    return end.finished_at.timestamp() if end.finished_at else 0.0
