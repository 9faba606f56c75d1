"""Remembers the objects of a cluster, and which of them are one workload: a controller with all that it made. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lumetry_core.containers.kubernetes_objects import JOB, LISTED_KINDS, NODE, POD, Owner, Thing

MAX_DEPTH = 8
"""Whoever may write objects can name owners in a circle."""


@dataclass(frozen=True, slots=True)
class Family:
    """A workload."""

    kind: str
    namespace: str
    name: str
    root: Thing | None
    """The controller, or the pod that has none; None of a controller of a kind that is not listed."""
    pods: Sequence[Thing]
    jobs: Sequence[Thing] = ()
    """Of a cron job."""
    job_pods: Sequence[Sequence[Thing]] = ()
    """Of each of these jobs."""


@dataclass(frozen=True, slots=True)
class Root:
    """What a workload is known by."""

    external_id: str
    uid: str
    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Held:
    """An object with its kind, which lists do not repeat."""

    kind: str
    thing: Thing

    @property
    def owner(self) -> Owner | None:
        """Who manages it; a pod that only a node has stands alone."""
        found = self.thing.metadata.controller
        return None if found is None or found.kind == NODE else found


class Cluster:
    """The objects that are known now."""

    def __init__(self, excluded_namespaces: Sequence[str] = ()) -> None:
        self._excluded = frozenset(excluded_namespaces)
        self._held: dict[str, Held] = {}
        self._children: dict[str, set[str]] = {}
        self._roots: dict[str, Root] = {}

    @property
    def external_ids(self) -> list[str]:
        """All workloads, those that are gone by now included."""
        return list(self._roots)

    def put(self, kind: str, thing: Thing) -> set[str]:
        """Takes in an object; which workloads may be other than before."""
        if thing.metadata.namespace in self._excluded:
            return set()
        uid, held = thing.metadata.uid, Held(kind, thing)
        touched = self._drop(uid) if uid in self._held else set()
        self._held[uid] = held
        if held.owner is not None:
            self._children.setdefault(held.owner.uid, set()).add(uid)
        root = self._find_root(held)
        if root is None:
            return touched
        self._roots[root.external_id] = root
        return touched | {root.external_id}

    def drop(self, uid: str) -> set[str]:
        """Forgets an object; which workloads may be other than before."""
        return self._drop(uid) if uid in self._held else set()

    def replace(self, kind: str, namespace: str, things: Iterable[Thing]) -> set[str]:
        """Takes in all objects of a kind, of a namespace or of the cluster; others of it are gone."""
        listed = {thing.metadata.uid: thing for thing in things}
        gone = [
            uid
            for uid, held in self._held.items()
            if held.kind == kind and namespace in ("", held.thing.metadata.namespace) and uid not in listed
        ]
        touched: set[str] = set()
        for uid in gone:
            touched |= self._drop(uid)
        for thing in listed.values():
            touched |= self.put(kind, thing)
        return touched

    def look(self, external_id: str) -> Family | None:
        """A workload; None when it is gone."""
        root = self._roots.get(external_id)
        if root is None:
            return None
        held = self._held.get(root.uid)
        pods = list(self._pods_below(root.uid))
        if held is None and (root.kind in LISTED_KINDS or not pods):
            del self._roots[external_id]
            return None
        if held is not None and held.kind == POD:
            pods = [held.thing]
        jobs = [self._held[uid].thing for uid in sorted(self._children.get(root.uid, ())) if self._held[uid].kind == JOB]
        job_pods = [list(self._pods_below(job.metadata.uid)) for job in jobs]
        return Family(root.kind, root.namespace, root.name, held.thing if held else None, pods, jobs, job_pods)

    def _drop(self, uid: str) -> set[str]:
        held = self._held[uid]
        root = self._find_root(held)
        del self._held[uid]
        if held.owner is not None:
            siblings = self._children[held.owner.uid]
            siblings.discard(uid)
            if not siblings:
                del self._children[held.owner.uid]
        return set() if root is None else {root.external_id}

    def _pods_below(self, uid: str, depth: int = MAX_DEPTH) -> Iterable[Thing]:
        for child in sorted(self._children.get(uid, ())):
            held = self._held[child]
            if held.kind == POD:
                yield held.thing
            elif depth:
                yield from self._pods_below(child, depth - 1)

    def _find_root(self, held: Held) -> Root | None:
        """The workload of an object; None while its owner is not known (any more), for then it is about to come, or to go."""
        for _ in range(MAX_DEPTH):
            owner = held.owner
            if owner is None:
                break
            parent = self._held.get(owner.uid)
            if parent is None:
                if owner.kind in LISTED_KINDS:
                    return None
                return make_root(owner.kind, held.thing.metadata.namespace, owner.name, owner.uid)
            held = parent
        meta = held.thing.metadata
        return make_root(held.kind, meta.namespace, meta.name, meta.uid)


def make_root(kind: str, namespace: str, name: str, uid: str) -> Root:
    """A workload with the id by which people know it."""
    return Root(f"{namespace}/{name}" if kind == POD else f"{namespace}/{kind}/{name}", uid, kind, namespace, name)
