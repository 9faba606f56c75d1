from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from lumetry_core.containers.engine import Inspected
from lumetry_core.containers.kubernetes_cluster import Cluster
from lumetry_core.containers.kubernetes_objects import Thing
from lumetry_core.containers.kubernetes_quantities import read_quantity
from lumetry_core.containers.kubernetes_states import see
from tests.kubernetes_double import KINDS, ClusterDouble

ENDED = {"terminated": {"exitCode": 3, "reason": "Error", "finishedAt": "2026-06-01T08:00:00Z"}}


@pytest.fixture
def double() -> ClusterDouble:
    """Makes objects; nobody asks it for them."""
    return ClusterDouble()


def look(double: ClusterDouble, external_id: str) -> Inspected | None:
    """A workload as it is seen when everything is known."""
    cluster = Cluster()
    for plural, things in double.things.items():
        for thing in things.values():
            cluster.put(KINDS[plural], msgspec.convert(thing, Thing))
    family = cluster.look(external_id)
    return None if family is None else see(family)


def brief(double: ClusterDouble, external_id: str) -> tuple[str, str, str]:
    """State, health and what is wrong."""
    seen = look(double, external_id)
    assert seen is not None
    return seen.state, seen.health, seen.error


def pods_of(seen: Inspected | None) -> tuple[str, int, int]:
    """Kind, number of pods and how many of them are ready."""
    assert seen is not None
    assert seen.workload is not None
    return seen.workload.kind, seen.workload.pod_count, seen.workload.ready_count


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, ("running", "healthy", "")),
        ({"ready": False}, ("running", "starting", "0 of 1 pods are ready")),
        ({"ready": False, "lost": True}, ("running", "unhealthy", "0 of 1 pods are ready; web-1-1: not ready")),
        ({"waiting": ("ContainerCreating", ""), "phase": "Pending"}, ("created", "starting", "")),
        ({"waiting": ("CrashLoopBackOff", "back-off 10s")}, ("restarting", "unhealthy", "web-1-1: CrashLoopBackOff: back-off 10s")),
        ({"waiting": ("ErrImagePull", "not found"), "phase": "Pending"}, ("failed", "unhealthy", "web-1-1: ErrImagePull: not found")),
    ],
    ids=["ready", "starting", "lost", "creating", "crashing", "no image"],
)
def test_see_state_of_deployment(double: ClusterDouble, status: dict[str, Any], expected: tuple[str, str, str]) -> None:
    """A Deployment is as its pods are; one that begins is not yet unhealthy."""
    double.deploy("web")
    double.put("pods", "web-1-1", status=double.status("app", **status))
    assert brief(double, "shop/Deployment/web") == expected


def test_see_pods_that_do_not_come(double: ClusterDouble) -> None:
    """Pods that no node has room for, that may not be made or are late are told with the reason."""
    double.deploy("web")
    unschedulable = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}
    double.put("pods", "web-1-1", status={"phase": "Pending", "conditions": [unschedulable]})
    told = ("failed", "unhealthy", "web-1-1: Unschedulable: 0/3 nodes are available")
    assert brief(double, "shop/Deployment/web") == told
    double.remove("pods", "web-1-1")
    assert brief(double, "shop/Deployment/web") == ("created", "starting", "")
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}
    double.put("deployments", "web", status={"conditions": [late]})
    assert brief(double, "shop/Deployment/web") == ("created", "unhealthy", "ProgressDeadlineExceeded: timed out")
    refused = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}
    double.put("deployments", "web", status={"conditions": [refused]})
    assert brief(double, "shop/Deployment/web") == ("failed", "unhealthy", "FailedCreate: exceeded quota")


def test_see_scaled_down(double: ClusterDouble) -> None:
    """Who wants no pods is done."""
    double.deploy("web", replicas=0)
    seen = look(double, "shop/Deployment/web")
    assert seen is not None
    assert (seen.state, seen.health, seen.exit_code) == ("completed", "", 0)
    double.put("daemonsets", "agent", status={"desiredNumberScheduled": 0})
    assert brief(double, "shop/DaemonSet/agent") == ("completed", "", "")


def test_count_pods(double: ClusterDouble) -> None:
    """Pods count that there are or should be; those that are about to go, and those that others replaced, do not."""
    double.deploy("web", replicas=3)
    assert pods_of(look(double, "shop/Deployment/web")) == ("Deployment", 3, 3)
    double.put("pods", "web-1-1", metadata={"deletionTimestamp": double.spell()})
    double.put("pods", "web-1-2", status={"phase": "Failed", "reason": "Evicted", "message": "low on memory"})
    assert pods_of(look(double, "shop/Deployment/web")) == ("Deployment", 3, 1)
    daemon = double.put("daemonsets", "agent", status={"desiredNumberScheduled": 2})
    double.run_pod("agent-1", metadata=double.owned_by("daemonsets", daemon))
    assert pods_of(look(double, "shop/DaemonSet/agent")) == ("DaemonSet", 2, 1)
    state = double.put("statefulsets", "db", spec={"replicas": 1})
    double.run_pod("db-0", metadata=double.owned_by("statefulsets", state))
    assert pods_of(look(double, "shop/StatefulSet/db")) == ("StatefulSet", 1, 1)


def test_see_controllers_of_other_kinds(double: ClusterDouble) -> None:
    """A controller that is not listed is known by its pods; a pod that only a node has stands alone."""
    rollout = {"metadata": {"name": "canary", "uid": "r1"}}
    replica_set = double.put("replicasets", "canary-1", metadata=double.owned_by("Rollout", rollout), spec={"replicas": 1})
    double.run_pod("canary-1-1", metadata=double.owned_by("replicasets", replica_set))
    assert brief(double, "shop/Rollout/canary") == ("running", "healthy", "")
    node = {"metadata": {"name": "node-1", "uid": "n1"}}
    double.run_pod("proxy", metadata=double.owned_by("Node", node))
    assert pods_of(look(double, "shop/proxy")) == ("Pod", 1, 1)


def test_see_pod_alone(double: ClusterDouble) -> None:
    """A pod without controller ends as its containers do."""
    double.run_pod("alone")
    assert brief(double, "shop/alone") == ("running", "healthy", "")
    done = {"phase": "Succeeded", "containerStatuses": [{"name": "app", "state": {"terminated": {"exitCode": 0}}}]}
    double.put("pods", "alone", status=done)
    assert brief(double, "shop/alone") == ("completed", "", "")
    double.put("pods", "alone", status={"phase": "Failed", "containerStatuses": [{"name": "app", "state": ENDED}]})
    seen = look(double, "shop/alone")
    assert seen is not None
    assert (seen.state, seen.exit_code, seen.error) == ("failed", 3, "alone: Error with exit code 3")


def run_job(double: ClusterDouble, name: str = "job", metadata: Mapping[str, Any] | None = None, **status: Any) -> None:
    """A job with one pod."""
    job = double.put("jobs", name, metadata=metadata or {}, spec={}, status={})
    double.run_pod(f"{name}-1", metadata=double.owned_by("jobs", job), **status)


def test_see_job(double: ClusterDouble) -> None:
    """A job runs, tries again, and ends by what its conditions say; it has no health."""
    run_job(double)
    assert brief(double, "shop/Job/job") == ("running", "", "")
    double.put("pods", "job-1", status={"phase": "Failed", "containerStatuses": [{"name": "app", "state": ENDED}]})
    assert brief(double, "shop/Job/job") == ("restarting", "", "job-1: Error with exit code 3")
    failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "too often"}
    double.put("jobs", "job", status={"conditions": [failed]})
    seen = look(double, "shop/Job/job")
    assert seen is not None
    assert (seen.state, seen.exit_code, seen.error) == ("failed", 3, "BackoffLimitExceeded: too often")
    done = {"type": "Complete", "status": "True"}
    double.put("jobs", "job", status={"conditions": [done]})
    seen = look(double, "shop/Job/job")
    assert seen is not None
    assert (seen.state, seen.exit_code, seen.has_health_check) == ("completed", 0, False)
    double.put("jobs", "job", spec={"suspend": True}, status={})
    assert brief(double, "shop/Job/job") == ("paused", "", "")


def test_see_cron_job(double: ClusterDouble) -> None:
    """A cron job is as the job that it made last, and waits before the first; its jobs are no workloads of their own."""
    cron = double.put("cronjobs", "nightly", spec={"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"name": "app"}]}}}}})
    assert brief(double, "shop/CronJob/nightly") == ("created", "", "")
    owned = double.owned_by("cronjobs", cron)
    run_job(double, "nightly-1", owned)
    double.put("jobs", "nightly-1", status={"conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]})
    assert brief(double, "shop/CronJob/nightly") == ("failed", "", "DeadlineExceeded")
    run_job(double, "nightly-2", owned | {"creationTimestamp": double.spell(seconds=60)})
    assert brief(double, "shop/CronJob/nightly") == ("running", "", "")
    assert look(double, "shop/Job/nightly-2") is None
    double.put("jobs", "nightly-2", status={"conditions": [{"type": "Complete", "status": "True"}]})
    assert brief(double, "shop/CronJob/nightly") == ("completed", "", "")
    double.put("cronjobs", "nightly", spec={"suspend": True})
    assert brief(double, "shop/CronJob/nightly") == ("paused", "", "")


def test_remove_by_and_by(double: ClusterDouble) -> None:
    """When a Deployment goes its workload does, though its pods take longer; no other comes in its place."""
    double.deploy("web")
    cluster = Cluster()
    for plural, things in double.things.items():
        for thing in things.values():
            cluster.put(KINDS[plural], msgspec.convert(thing, Thing))
    deployment = double.things["deployments"]["shop/web"]
    assert cluster.drop(deployment["metadata"]["uid"]) == {"shop/Deployment/web"}
    assert cluster.look("shop/Deployment/web") is None
    pod = msgspec.convert(double.things["pods"]["shop/web-1-1"], Thing)
    assert cluster.put("Pod", pod) == set()
    assert cluster.external_ids == []


def test_survive_owners_in_a_circle(double: ClusterDouble) -> None:
    """Owners that own each other do no harm."""
    first = double.put("replicasets", "a")
    second = double.put("replicasets", "b", metadata=double.owned_by("replicasets", first))
    double.put("replicasets", "a", metadata=double.owned_by("replicasets", second))
    double.run_pod("pod", metadata=double.owned_by("replicasets", first))
    look(double, "shop/ReplicaSet/a")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("250m", "0.25"), ("2", "2"), ("100Mi", "104857600"), ("1.5Gi", "1610612736"), ("12345n", "0.000012345"), ("1e3", "1000"), ("x", "0")],
)
def test_read_quantity(text: str, expected: str) -> None:
    """Quantities have suffixes of tens, of twos, or an exponent."""
    assert read_quantity(text) == Decimal(expected)
