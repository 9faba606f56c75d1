"""Work that collectors do for the product: what waits, who holds it and for how long (contract lumetry 16.3). Pure.

An item is given out under a lease and finished exactly once: by the collector that holds it, or without one when it waited in vain. What an
item asks for, secrets included, is built when it is given out and stored nowhere.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from lumetry_core.collectors.agent.polling.model import Source
from lumetry_core.runtime.database import Transaction

LEASE = timedelta(seconds=60)
RETAKE = timedelta(seconds=30)
"""How long an item waits at least to be taken again after a lease that ended."""
MAX_LEASES = 3
"""So often an item is given out; the collector that lets all of them end does not do it."""
MAX_CLAIMED = 20
"""Items of one claim, and outstanding ones of one stream."""
MAX_ERROR = 1_000
MAX_SAMPLES = 5
KEPT_FINISHED = timedelta(minutes=10)
"""How long a finished item is remembered, so that a second completion learns what it is."""
KEEPER_CHANNEL = "collector-work"
"""Wakes whoever looks after items that nobody finishes."""


class WorkKind(StrEnum):
    """What is asked of a collector."""

    SOURCE_TEST = "source_test"
    POLL = "poll"
    NOTIFICATION = "notification"


PRECEDENCE: Mapping[WorkKind, int] = {WorkKind.SOURCE_TEST: 0, WorkKind.POLL: 1, WorkKind.NOTIFICATION: 1}
"""People wait for tests; the rest goes by age."""


@dataclass(frozen=True, slots=True)
class WorkDraft:
    """Work to be done by a collector.

    Args:
        capability: What the collector must declare: `poll:prometheus`, `source_test`, `notification`.
        subject: What it is about; while work of the same kind on the same subject is unfinished there is no second.
        budget_ms: How long it may take, at most the lease.
        expire_time: When it is given up if no collector has taken it.
    """

    collector_id: str
    kind: WorkKind
    capability: str
    subject: str
    budget_ms: int
    expire_time: datetime


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample that a tested source shows. A collector need name neither metric nor time: no text and None."""

    metric_key: str
    time: datetime | None
    value: float
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of work.

    `samples` are those of source tests. Of notifications are `status_code` (0: no answer) and, without an answer, `reached`: whether the
    receiver may have got it.
    """

    succeeded: bool
    error: str = ""
    duration_ms: int = 0
    sample_count: int = 0
    samples: tuple[Sample, ...] = ()
    status_code: int = 0
    reached: bool = False


@dataclass(frozen=True, slots=True)
class WorkItem:
    """Work with its holder. `claim_id` is a UUID that stays when the item is given out again, under another token."""

    id: int
    organization_id: int
    claim_id: str
    collector_id: str
    kind: WorkKind
    capability: str
    subject: str
    budget_ms: int
    create_time: datetime
    expire_time: datetime
    leases: int = 0
    """How often it was given out."""
    token_digest: bytes | None = None
    """Of the newest lease."""
    lease_expire_time: datetime | None = None
    """None: nobody holds it."""
    finish_time: datetime | None = None
    outcome: Outcome | None = None
    """Without samples, which only the handler is told."""


@dataclass(frozen=True, slots=True)
class SourcePayload:
    """A metric source to ask. `source_id` 0: it is not saved, which occurs in tests only."""

    source_id: int
    source: Source


@dataclass(frozen=True, slots=True)
class NotificationPayload:
    """A request to send inside the collector's network, complete with its signature."""

    delivery_id: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    method: str = "POST"


Payload = SourcePayload | NotificationPayload


@dataclass(frozen=True, slots=True)
class ClaimedWork:
    """An item given out. The token completes it and cannot be read again."""

    item: WorkItem
    token: str
    payload: Payload


class WorkHandler(Protocol):
    """What the area that enqueues a kind of work knows of it."""

    async def describe(self, tx: Transaction, item: WorkItem, now: datetime) -> Payload | Outcome | None:
        """What the collector is to do. None: the subject is gone, the item is dropped; an outcome: it cannot be done and ends so."""

    async def finish(self, tx: Transaction, item: WorkItem, outcome: Outcome, now: datetime) -> None:
        """Keeps the outcome in the transaction that finishes the item; also called with a failure when nobody does it.

        Work on the same subject can be enqueued only in a later transaction.
        """


Handlers = Mapping[WorkKind, WorkHandler]


def work_channel(collector_id: str) -> str:
    """Wakes whoever waits for a collector's work, or for its end."""
    return f"{KEEPER_CHANNEL}:{collector_id}"


def enabled_kinds(*, polling: bool, notifications: bool) -> frozenset[WorkKind]:
    """What a collector's configuration lets it do."""
    kinds = {WorkKind.POLL, WorkKind.SOURCE_TEST} if polling else set()
    return frozenset(kinds | {WorkKind.NOTIFICATION} if notifications else kinds)


def is_waiting(item: WorkItem, now: datetime) -> bool:
    """Whether the item may be given out."""
    return item.finish_time is None and not is_held(item, now) and not is_hopeless(item, now)


def is_held(item: WorkItem, now: datetime) -> bool:
    """Whether somebody works on the item, who alone may finish it."""
    return item.finish_time is None and item.lease_expire_time is not None and now < item.lease_expire_time


def is_hopeless(item: WorkItem, now: datetime) -> bool:
    """Whether the item ends without a collector: nobody holds it, and it has expired or was given out often enough."""
    return item.finish_time is None and not is_held(item, now) and (now >= item.expire_time or item.leases >= MAX_LEASES)


def lease(item: WorkItem, token_digest: bytes, now: datetime) -> WorkItem:
    """The item, given out."""
    end = now + LEASE
    expire_time = max(item.expire_time, end + RETAKE)
    return replace(item, leases=item.leases + 1, token_digest=token_digest, lease_expire_time=end, expire_time=expire_time)


def requeue(item: WorkItem) -> WorkItem:
    """The item after a lease that ended; the token of before serves no more."""
    return replace(item, token_digest=None, lease_expire_time=None)


def finish(item: WorkItem, outcome: Outcome, now: datetime) -> WorkItem:
    """The item, finished."""
    return replace(item, lease_expire_time=None, finish_time=now, outcome=replace(outcome, samples=()))


def due_time(item: WorkItem) -> datetime:
    """When the item has to be looked at if nothing happens: it is forgotten, requeued or given up."""
    if item.finish_time is not None:
        return item.finish_time + KEPT_FINISHED
    return item.expire_time if item.lease_expire_time is None else item.lease_expire_time


def find_refusal(item: WorkItem, token_digest: bytes, now: datetime) -> str | None:
    """Why a token does not finish the item; None: it does."""
    if item.finish_time is not None:
        return "The work is finished already."
    if item.token_digest is None or item.token_digest != token_digest:
        return "The token is not the claim's."
    if not is_held(item, now):
        return "The lease has ended."
    return None


def find_obstacle(
    kind: WorkKind, capability: str, *, name: str, state: str, kinds: Collection[WorkKind], capabilities: Collection[str]
) -> str | None:
    """Why a collector cannot take work now; None: it can.

    Args:
        state: `revoked`, `pending`, `offline`, `suspected`, `gone` or empty: what is wrong with the collector.
        kinds: What its configuration enables.
        capabilities: What it declares.
    """
    if state == "gone":
        return "The collector does not exist."
    who = f"Collector {name}"
    if state == "revoked":
        return f"{who} is revoked."
    if state == "pending":
        return f"{who} has not enrolled yet."
    if state == "offline":
        return f"{who} is offline."
    if state == "suspected":
        return f"{who} gets no work: two instances seem to run on its credential."
    if kind not in kinds:
        switched = "Notifications are" if kind is WorkKind.NOTIFICATION else "Polling is"
        return f"{switched} switched off in the configuration of collector {name}."
    if capability not in capabilities:
        return f"{who} cannot {DEEDS.get(capability) or capability.replace(':', ' ', 1)}."
    return None


DEEDS: Mapping[str, str] = {"source_test": "test metric sources", "notification": "deliver notifications"}
"""What capabilities are for; those to poll say it themselves."""
