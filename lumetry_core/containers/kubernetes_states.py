"""Makes one container of a workload of Kubernetes: its state, health and what else people see. Pure.

A workload that should run on and on (Deployment, StatefulSet, DaemonSet, ReplicaSet, a pod alone, controllers of other kinds) is
`completed` when no pod is wanted; `running` when a pod runs; else `restarting` when one crashes again and again, `failed` when none can
begin, `created` while they are about to begin. It is `healthy` when all pods are ready, `unhealthy` when one fails or was ready before,
else `starting`. A Job is `completed`, `failed`, `paused` when suspended, else as its pods are, and `restarting` between two attempts.
A CronJob is as its last job, and `paused` when it is suspended and nothing runs. Neither has a health.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lumetry_core.containers.engine import Inspected, Workload
from lumetry_core.containers.kubernetes_cluster import Family
from lumetry_core.containers.kubernetes_objects import CRON_JOB, JOB, POD, ContainerStatus, PodSpec, Template, Thing
from lumetry_core.containers.kubernetes_pods import OUT_OF_MEMORY, Doing, PodView, describe, view_pod
from lumetry_core.endpoints.labels import PREFIXES
from lumetry_core.runtime.clock import EPOCH

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
IMAGE_SCHEMES = ("docker-pullable://", "docker://")
OVER = ("completed", "failed", "restarting")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What comes of the pods."""

    state: str
    health: str = ""
    detail: str = ""
    wanted: int = 0
    finish_time: datetime | None = None
    """Told of the end itself."""
    succeeded: bool = False


def see(family: Family) -> Inspected:
    """A workload as one container."""
    pods = live_pods(family)
    views = [view_pod(pod) for pod in pods]
    outcome = judge(family, views)
    end = max((view.last_end for view in views if view.last_end), key=lambda each: each.finished_at or EPOCH, default=None)
    is_over = outcome.state in OVER and not outcome.succeeded
    template = template_of(family)
    names = container_names(template)
    status = find_status(pods, names)
    starts = [view.start_time for view in views if view.doing is Doing.RUNS and view.start_time]
    return Inspected(
        external_id=f"{family.namespace}/{family.name}" if family.kind == POD else f"{family.namespace}/{family.kind}/{family.name}",
        name=family.name,
        image=next((each.image for each in template.spec.containers or () if each.name in names[:1]), ""),
        image_id=strip_scheme(status.image_id) if status else "",
        state=outcome.state,
        health=outcome.health,
        has_health_check=family.kind not in (JOB, CRON_JOB),
        exit_code=0 if outcome.succeeded else end.exit_code if end and is_over else None,
        oom_killed=bool(end and is_over and end.reason == OUT_OF_MEMORY),
        error=outcome.detail,
        labels=read_labels(family),
        start_time=min(starts, default=None),
        finish_time=outcome.finish_time or (end.finished_at if end and is_over else None),
        workload=Workload(
            kind=family.kind,
            namespace=family.namespace,
            unit=family.name,
            pod_count=max(outcome.wanted, len([view for view in views if view.doing not in (Doing.SUCCEEDED, Doing.FAILED)])),
            ready_count=sum(view.is_ready for view in views),
            container_names=names,
        ),
    )


def live_pods(family: Family) -> Sequence[Thing]:
    """The pods that count: none that are about to be removed; of controllers that replace pods none that ended; of jobs the last one's."""
    if family.kind == CRON_JOB:
        last = last_job(family)
        found = [] if last is None else family.job_pods[family.jobs.index(last)]
        return [pod for pod in found if pod.metadata.deletion_timestamp is None]
    if family.kind == POD:
        return family.pods
    found = [pod for pod in family.pods if pod.metadata.deletion_timestamp is None]
    if family.kind == JOB:
        return found
    return [pod for pod in found if pod.status.phase not in ("Succeeded", "Failed")] or found


def last_job(family: Family) -> Thing | None:
    """The job that a cron job made last."""
    return max(family.jobs, key=lambda job: (job.metadata.creation_timestamp or EPOCH, job.metadata.name), default=None)


def judge(family: Family, views: Sequence[PodView]) -> Outcome:
    """What comes of the pods."""
    if family.kind == JOB and family.root is not None:
        return judge_job(family.root, views)
    if family.kind == CRON_JOB and family.root is not None:
        last = last_job(family)
        outcome = Outcome("created") if last is None else judge_job(last, views)
        rests = outcome.state in ("created", "completed", "failed") and not any(view.doing is Doing.WAITS for view in views)
        return replace(outcome, state="paused", succeeded=False) if family.root.spec.suspend and rests else outcome
    return judge_service(family, views)


def judge_job(job: Thing, views: Sequence[PodView]) -> Outcome:
    """A job."""
    for kind, state in (("Complete", "completed"), ("Failed", "failed")):
        condition = job.status.find_condition(kind)
        if condition is not None and condition.status == "True":
            detail = describe(condition.reason, condition.message) if state == "failed" else ""
            return Outcome(state, detail=detail, finish_time=condition.last_transition_time, succeeded=state == "completed")
    if job.spec.suspend:
        return Outcome("paused")
    state = state_of(views)
    if state == "failed" and not any(view.doing is Doing.STUCK for view in views):
        state = "restarting"  # the job tries again until it gives up, which a condition tells
    elif state == "completed":
        state = "running"  # its last pod is done, and the job about to say so
    return Outcome(state, detail=first_detail(views))


def judge_service(family: Family, views: Sequence[PodView]) -> Outcome:
    """Something that should run on and on."""
    wanted = count_wanted(family, views)
    if wanted == 0 and not views:
        return Outcome("completed", succeeded=True)
    ready = sum(view.is_ready for view in views)
    status = family.root.status if family.root else None
    refused = status.find_condition("ReplicaFailure") if status else None
    progress = status.find_condition("Progressing") if status else None
    is_refused = refused is not None and refused.status == "True"
    is_late = progress is not None and progress.reason == "ProgressDeadlineExceeded"
    state = "failed" if is_refused and not views else state_of(views)
    if family.kind == POD and state == "completed":
        return Outcome(state, wanted=0, succeeded=True)
    if ready >= max(wanted, 1):
        return Outcome(state, "healthy", wanted=wanted)
    is_failing = is_late or is_refused or any(view.is_failing for view in views)
    detail = first_detail(views)
    for condition, counts in ((refused, is_refused), (progress, is_late)):
        if not detail and counts and condition is not None:
            detail = describe(condition.reason, condition.message)
    if state == "running":
        detail = f"{ready} of {max(wanted, len(views))} pods are ready{f'; {detail}' if detail else ''}"
    return Outcome(state, "unhealthy" if is_failing else "starting", detail, wanted)


def count_wanted(family: Family, views: Sequence[PodView]) -> int:
    """How many pods there should be."""
    if family.root is None or family.kind == POD:
        return len(views)
    if family.root.status.desired_number_scheduled is not None:
        return family.root.status.desired_number_scheduled
    if family.kind == "DaemonSet":
        return 0
    return 1 if family.root.spec.replicas is None else family.root.spec.replicas


def state_of(views: Sequence[PodView]) -> str:
    """What pods come to; the first that holds of any."""
    doings = {view.doing for view in views}
    words = (
        (Doing.RUNS, "running"),
        (Doing.CRASHES, "restarting"),
        (Doing.STUCK, "failed"),
        (Doing.WAITS, "created"),
        (Doing.FAILED, "failed"),
        (Doing.SUCCEEDED, "completed"),
    )
    return next((state for doing, state in words if doing in doings), "created")


def first_detail(views: Sequence[PodView]) -> str:
    """What is wrong with the first pod with which something is."""
    return next((f"{view.name}: {view.detail}" for view in sorted(views, key=lambda each: each.name) if view.detail), "")


def template_of(family: Family) -> Template:
    """What pods are made of: as the controller says, else as the newest pod is."""
    if family.root is not None and family.root.spec.template is not None:
        return family.root.spec.template
    if family.root is not None and family.root.spec.job_template is not None:
        return family.root.spec.job_template.spec.template
    newest = max(family.pods, key=lambda pod: pod.metadata.creation_timestamp or EPOCH, default=None)
    return Template() if newest is None else Template(newest.metadata, PodSpec(newest.spec.containers, newest.spec.init_containers))


def container_names(template: Template) -> tuple[str, ...]:
    """Names of the containers, the one that counts first and those that only prepare last."""
    names = [each.name for each in template.spec.containers or ()]
    chosen = (template.metadata.annotations or {}).get(DEFAULT_CONTAINER)
    names.sort(key=lambda name: name != chosen)
    return (*names, *(each.name for each in template.spec.init_containers or ()))


def find_status(pods: Sequence[Thing], names: Sequence[str]) -> ContainerStatus | None:
    """The container that counts in the newest pod that has its image."""
    for pod in sorted(pods, key=lambda each: each.metadata.creation_timestamp or EPOCH, reverse=True):
        for status in pod.status.container_statuses or ():
            if status.name in names[:1] and status.image_id:
                return status
    return None


def strip_scheme(image_id: str) -> str:
    """An image as registries know it, without how the node came to it."""
    return next((image_id.removeprefix(scheme) for scheme in IMAGE_SCHEMES if image_id.startswith(scheme)), image_id)


def read_labels(family: Family) -> dict[str, str]:
    """Labels of the controller, with those of its annotations that are options: many of these cannot be values of labels."""
    if family.root is None:
        return {}
    meta = family.root.metadata
    options = {name: text for name, text in (meta.annotations or {}).items() if name.startswith(PREFIXES)}
    return {**(meta.labels or {}), **options}
