"""What is read of the objects of Kubernetes: of all kinds together the fields that Lumetry looks at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object that is listed and watched."""

    kind: str
    group: str
    """API group; empty: the core group."""
    plural: str

    @property
    def root(self) -> str:
        """The path of its group."""
        return f"/apis/{self.group}/v1" if self.group else "/api/v1"

    def path(self, namespace: str) -> str:
        """Where they are listed; no namespace: all of the cluster."""
        return f"{self.root}/namespaces/{namespace}/{self.plural}" if namespace else f"{self.root}/{self.plural}"

    @property
    def spelled(self) -> str:
        """As `kubectl` names it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


POD, JOB, CRON_JOB, NODE = "Pod", "Job", "CronJob", "Node"
RESOURCES: Sequence[Resource] = (
    Resource("Deployment", "apps", "deployments"),
    Resource("StatefulSet", "apps", "statefulsets"),
    Resource("DaemonSet", "apps", "daemonsets"),
    Resource("ReplicaSet", "apps", "replicasets"),
    Resource(CRON_JOB, "batch", "cronjobs"),
    Resource(JOB, "batch", "jobs"),
    Resource(POD, "", "pods"),
)
"""Owners come before what they own."""
LISTED_KINDS = frozenset(resource.kind for resource in RESOURCES)


class Part(msgspec.Struct, rename="camel", frozen=True):
    """An object inside of another. What is missing has its default; so has `null`, which some servers write for empty lists."""


class Owner(Part, frozen=True):
    """Whose an object is."""

    kind: str
    name: str
    uid: str
    controller: bool = False


class Meta(Part, frozen=True):
    """What every object has."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None
    owner_references: Sequence[Owner] | None = None

    @property
    def controller(self) -> Owner | None:
        """Who manages it."""
        return next((owner for owner in self.owner_references or () if owner.controller), None)


class Resources(Part, frozen=True):
    """What a container may use."""

    limits: Mapping[str, str | int | float] | None = None


class ContainerSpec(Part, frozen=True):
    """A container of a pod."""

    name: str
    image: str = ""
    resources: Resources = Resources()


class PodSpec(Part, frozen=True):
    """What a pod is made of."""

    containers: Sequence[ContainerSpec] | None = None
    init_containers: Sequence[ContainerSpec] | None = None
    restart_policy: str = "Always"


class Template(Part, frozen=True):
    """What a controller makes pods of."""

    metadata: Meta = Meta()
    spec: PodSpec = PodSpec()


class JobSpec(Part, frozen=True):
    """What a controller makes jobs of."""

    template: Template = Template()


class JobTemplate(Part, frozen=True):
    """What a cron job makes jobs of."""

    spec: JobSpec = JobSpec()


class Spec(PodSpec, frozen=True):
    """What is wanted, of any kind."""

    replicas: int | None = None
    suspend: bool | None = None
    template: Template | None = None
    job_template: JobTemplate | None = None


class Condition(Part, frozen=True):
    """Something that holds, or does not."""

    type: str
    status: str = ""
    reason: str | None = None
    message: str | None = None
    last_transition_time: datetime | None = None


class Waiting(Part, frozen=True):
    """A container that has not begun."""

    reason: str | None = None
    message: str | None = None


class Running(Part, frozen=True):
    """A container that runs."""

    started_at: datetime | None = None


class Terminated(Part, frozen=True):
    """A container that ended."""

    exit_code: int = 0
    reason: str | None = None
    message: str | None = None
    finished_at: datetime | None = None


class ContainerState(Part, frozen=True):
    """One of the three."""

    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(Part, frozen=True):
    """How a container of a pod is."""

    name: str
    image_id: str = msgspec.field(name="imageID", default="")
    restart_count: int = 0
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class Status(Part, frozen=True):
    """How it is, of any kind."""

    phase: str = ""
    reason: str | None = None
    message: str | None = None
    conditions: Sequence[Condition] | None = None
    container_statuses: Sequence[ContainerStatus] | None = None
    init_container_statuses: Sequence[ContainerStatus] | None = None
    desired_number_scheduled: int | None = None

    def find_condition(self, kind: str) -> Condition | None:
        """The condition of a type."""
        return next((condition for condition in self.conditions or () if condition.type == kind), None)

    def holds(self, kind: str) -> bool:
        """Whether a condition holds."""
        found = self.find_condition(kind)
        return found is not None and found.status == "True"


class Thing(Part, frozen=True):
    """An object of any kind that is listed."""

    metadata: Meta
    spec: Spec = Spec()
    status: Status = Status()


class ListMeta(Part, frozen=True):
    """Where a list stands."""

    resource_version: str = ""
    continued: str = msgspec.field(name="continue", default="")


class ThingList(Part, frozen=True):
    """A page of objects."""

    metadata: ListMeta = ListMeta()
    items: Sequence[Thing] | None = None


class WatchEvent(msgspec.Struct, frozen=True):
    """A line of a watch; what the object is depends on the type."""

    type: str
    object: msgspec.Raw


class Failure(Part, frozen=True):
    """Why the server refuses: an object of the kind `Status`."""

    message: str = ""
    code: int = 0


class Version(Part, frozen=True):
    """`GET /version`."""

    git_version: str
    major: str = ""
    minor: str = ""


class Usage(Part, frozen=True):
    """What a container of a pod uses now."""

    name: str = ""
    usage: Mapping[str, str] = {}


class PodMetrics(Part, frozen=True):
    """What a pod uses now."""

    metadata: Meta
    containers: Sequence[Usage] | None = None


class PodMetricsList(Part, frozen=True):
    """What pods use now."""

    items: Sequence[PodMetrics] | None = None


class Capacity(Part, frozen=True):
    """How much a node has."""

    allocatable: Mapping[str, str] | None = None


class NodeThing(Part, frozen=True):
    """A node."""

    status: Capacity = Capacity()


class NodeList(Part, frozen=True):
    """All nodes."""

    items: Sequence[NodeThing] | None = None
