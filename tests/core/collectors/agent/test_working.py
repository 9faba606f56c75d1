import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web

from lumetry.collectors.v1 import collector_service_pb2 as collectors_pb
from lumetry.collectors.v1 import work_pb2
from lumetry.metrics.v1 import ingestion_service_pb2 as metrics_pb
from lumetry_core.collectors.agent.failures import CallError, ConflictError, CredentialError, UnreachableError, UnsupportedError
from lumetry_core.collectors.agent.link import Link
from lumetry_core.collectors.agent.pacing import Pace
from lumetry_core.collectors.agent.slots import Slots
from lumetry_core.collectors.agent.wanted import Notifications, Polling
from lumetry_core.collectors.agent.working import Workers, capabilities
from tests.core.collectors.agent.polling.asking import serving

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
POLLS = ("poll:prometheus", "poll:thanos", "poll:postgres", "poll:mysql", "poll:http")


@dataclass
class FakeLink:
    """A product that gives out the work it is told to, as the contract has it."""

    can_watch: bool = False
    is_revoked: bool = False
    clock: Any = field(default_factory=lambda: SimpleNamespace(is_known=True))
    waiting: list[work_pb2.WorkItem] = field(default_factory=list)
    claims: list[tuple[tuple[str, ...], int]] = field(default_factory=list)
    streams: list[tuple[tuple[str, ...], int]] = field(default_factory=list)
    completed: list[collectors_pb.CompleteWorkRequest] = field(default_factory=list)
    claim_errors: list[CallError] = field(default_factory=list)
    stream_errors: list[CallError] = field(default_factory=list)
    complete_errors: list[CallError] = field(default_factory=list)
    open_streams: int = 0
    given: set[str] = field(default_factory=set)
    """Claims that came over the stream and are not completed."""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def now(self) -> datetime:
        return NOW

    async def claim_work(self, wanted: Sequence[str], max_items: int) -> collectors_pb.ClaimWorkResponse:
        self.claims.append((tuple(wanted), max_items))
        await self.tell()
        if self.claim_errors:
            raise self.claim_errors.pop(0)
        return collectors_pb.ClaimWorkResponse(items=self.take(wanted, max_items))

    async def watch_work(self, wanted: Sequence[str], max_outstanding: int) -> AsyncGenerator[work_pb2.WorkItem, None]:
        self.streams.append((tuple(wanted), max_outstanding))
        await self.tell()
        self.given.clear()
        self.open_streams += 1
        try:
            while True:
                if self.stream_errors:
                    raise self.stream_errors.pop(0)
                for item in self.take(wanted, max_outstanding - len(self.given)):
                    self.given.add(item.claim_id)
                    yield item
                async with self.changed:
                    await self.changed.wait()
        finally:
            self.open_streams -= 1
            await self.tell()

    async def complete_work(self, request: collectors_pb.CompleteWorkRequest) -> None:
        if self.complete_errors:
            raise self.complete_errors.pop(0)
        self.completed.append(request)
        self.given.discard(request.claim_id)
        await self.tell()

    def take(self, wanted: Sequence[str], count: int) -> list[work_pb2.WorkItem]:
        fitting = [each for each in self.waiting if capability_of(each) in wanted]
        taken = sorted(fitting, key=lambda each: each.WhichOneof("payload") != "source_test")[: max(0, count)]
        self.waiting = [each for each in self.waiting if each not in taken]
        return taken

    async def give(self, *items: work_pb2.WorkItem) -> None:
        self.waiting.extend(items)
        await self.tell()

    async def tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20), self.changed:
            await self.changed.wait_for(holds)

    def outcome(self, claim_id: str) -> work_pb2.WorkOutcome:
        [found] = [each.outcome for each in self.completed if each.claim_id == claim_id]
        found.duration_ms = 0
        return found


def capability_of(item: work_pb2.WorkItem) -> str:
    kind = item.WhichOneof("payload")
    return f"poll:{item.poll.type}" if kind == "poll" else str(kind)


def make_item(claim_id: str, lease_seconds: float = 60.0, **payload: Any) -> work_pb2.WorkItem:
    item = work_pb2.WorkItem(claim_id=claim_id, claim_token=f"token-{claim_id}", budget_ms=50_000, **payload)
    item.lease_expire_time.FromDatetime(NOW + timedelta(seconds=lease_seconds))
    return item


def make_source(url: str, *paths: str, kind: str = "http", metric_key: str = "m") -> work_pb2.SourceWork:
    items = [work_pb2.SourceItem(metric_key=f"{metric_key}{n}", query=path) for n, path in enumerate(paths or ("$.v",))]
    return work_pb2.SourceWork(source_id=1, type=kind, target=work_pb2.SourceTarget(base_url=url), items=items, timeout_ms=20_000)


def make_point(metric_key: str, value: float) -> metrics_pb.Point:
    point = metrics_pb.Point(metric_key=metric_key, value=value, source="http")
    point.time.FromDatetime(NOW)
    return point


@asynccontextmanager
async def working(
    link: FakeLink, polling: Polling | None = None, notifications: Notifications | None = None
) -> AsyncIterator[tuple[Workers, list[metrics_pb.Point]]]:
    kept: list[metrics_pb.Point] = []
    pace = Pace(first_retry=0.01, last_retry=0.05, forbidden_retry=0.05)
    workers = Workers(cast("Link", link), kept.extend, pace, lambda: 1.0, claim_seconds=0.05, aside_seconds=0.05)
    workers.apply(polling or Polling(), notifications or Notifications(enabled=True))
    running = asyncio.create_task(workers.run())
    try:
        yield workers, kept
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@dataclass
class Gate:
    """A web server whose answers wait until it is opened."""

    body: object = field(default_factory=lambda: {"v": 7})
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    inside: int = 0
    most: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            self.requests.append((request.method, request.path_qs, dict(request.headers), await request.read()))
            async with self.changed:
                self.changed.notify_all()
            if request.path != "/fast":
                await self.opened.wait()
            return web.json_response(self.body, status=self.status, headers=self.headers)
        finally:
            self.inside -= 1

    async def until(self, inside: int) -> None:
        """Waits until so many wait for their answer."""
        async with asyncio.timeout(20), self.changed:
            await self.changed.wait_for(lambda: self.inside >= inside)


def test_capabilities_name_what_is_installed() -> None:
    """Every type whose driver is there, tests and notifications."""
    assert capabilities() == (*POLLS, "source_test", "notification")


def test_capabilities_without_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A type whose driver is missing is not declared."""
    monkeypatch.setattr("lumetry_core.collectors.agent.polling.model.find_spec", lambda name: None if name == "pymysql" else object())

    assert capabilities() == ("poll:prometheus", "poll:thanos", "poll:postgres", "poll:http", "source_test", "notification")


def test_working_loads_drivers_when_they_are_needed() -> None:
    """A collector that polls nothing has no driver and no HTTP client in memory."""
    heavy = ("aiohttp", "asyncpg", "pymysql", "regex", "jsonpath_rfc9535")
    code = (
        "import sys, json, lumetry_core.collectors.agent.working as working; working.capabilities(); "
        f"print(json.dumps([each for each in {heavy} if each in sys.modules]))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert json.loads(told.stdout) == []


@pytest.mark.parametrize("can_watch", [False, True])
async def test_poll_keeps_points_and_reports(can_watch: bool) -> None:
    """Points go to the buffer with the source's type and without labels of the host; the outcome names what failed."""
    link = FakeLink(can_watch=can_watch)
    gate = Gate(body={"v": 7, "w": 8})
    gate.opened.set()
    async with serving(gate.answer) as url, working(link) as (_, kept):
        await link.give(make_item("a", poll=make_source(url, "$.v", "$.", "$.w")))
        await link.until(lambda: len(link.completed) == 1)

    outcome = link.outcome("a")
    assert kept == [make_point("m0", 7), make_point("m2", 8)]
    assert (outcome.succeeded, outcome.sample_count, outcome.error[:50]) == (False, 2, "1 of 3 items failed: m1: the JSON path cannot be r")
    assert link.completed[0].claim_token == "token-a"


async def test_source_test_reports_samples_and_keeps_no_points() -> None:
    """At most five samples, of as many items as possible."""
    link = FakeLink()
    gate = Gate(body={"v": [{"n": str(n), "x": n} for n in range(9)], "w": 1})
    gate.opened.set()
    source = make_source("", "$.v[*]", "$.w")
    source.items[0].label_columns.append("n")
    source.items[0].value_column = "x"
    async with serving(gate.answer) as url, working(link) as (_, kept):
        source.target.base_url = url
        await link.give(make_item("a", source_test=source))
        await link.until(lambda: len(link.completed) == 1)

    samples = [work_pb2.WorkSample(metric_key="m0", value=n, labels={"n": str(n)}) for n in range(4)]
    samples.insert(1, work_pb2.WorkSample(metric_key="m1", value=1))
    for each in samples:
        each.time.FromDatetime(NOW)
    assert link.outcome("a") == work_pb2.WorkOutcome(succeeded=True, sample_count=10, samples=samples)
    assert kept == []


@pytest.mark.parametrize(
    ("status", "headers", "outcome"),
    [
        (204, {}, work_pb2.WorkOutcome(succeeded=True, status_code=204)),
        (503, {}, work_pb2.WorkOutcome(error="the receiver answered 503: no success", status_code=503)),
        (
            307,
            {"Location": "http://169.254.169.254/"},
            work_pb2.WorkOutcome(error="the receiver answered 307: a redirect, which is not followed", status_code=307),
        ),
    ],
)
async def test_notification_is_sent_as_given(status: int, headers: dict[str, str], outcome: work_pb2.WorkOutcome) -> None:
    """With its headers and its body, once; whatever the receiver answers is told."""
    link = FakeLink()
    gate = Gate(status=status, headers=headers)
    gate.opened.set()
    async with serving(gate.answer) as url, working(link):
        headers = {"X-Lumetry-Signature": "sha256=ab", "Content-Type": "application/json"}
        work = work_pb2.NotificationWork(delivery_id="d", url=f"{url}/hook?x=1", method="POST", headers=headers, body=b'{"event":1}')
        await link.give(make_item("a", notification=work))
        await link.until(lambda: len(link.completed) == 1)

    assert link.outcome("a") == outcome
    [(method, path, sent, body)] = gate.requests
    assert (method, path, body) == ("POST", "/hook?x=1", b'{"event":1}')
    assert (sent["X-Lumetry-Signature"], sent["Content-Type"]) == ("sha256=ab", "application/json")


@pytest.mark.parametrize(
    ("work", "error"),
    [
        (work_pb2.NotificationWork(url="http://127.0.0.1:9/", method="DELETE"), "notifications are not sent by DELETE"),
        (
            work_pb2.NotificationWork(url="http://169.254.169.254/latest"),
            "the address must not lead to 169.254.169.254: it is a metadata address",
        ),
        (work_pb2.NotificationWork(url="file:///etc/passwd"), "the address must be an absolute http or https URL"),
        (work_pb2.NotificationWork(url="http://127.0.0.1:{port}/", headers={"X": "a\r\nY: b"}), "the request cannot be sent as it is"),
    ],
)
async def test_notification_that_cannot_be_sent(work: work_pb2.NotificationWork, error: str) -> None:
    """The reason is the outcome."""
    link = FakeLink()
    gate = Gate()
    async with serving(gate.answer) as url, working(link):
        work.url = work.url.replace("{port}", url.rpartition(":")[2])
        await link.give(make_item("a", notification=work))
        await link.until(lambda: len(link.completed) == 1)

    assert link.outcome("a") == work_pb2.WorkOutcome(error=error)
    assert gate.requests == []


@pytest.mark.parametrize("can_watch", [False, True])
async def test_polls_are_bounded_and_tests_do_not_wait(can_watch: bool) -> None:
    """No more polls at once than the configuration says; a test is done while all of them hang, and a free slot is used at once."""
    link = FakeLink(can_watch=can_watch)
    gate = Gate()
    async with serving(gate.answer) as url, working(link, Polling(max_concurrency=3)):
        await link.give(*(make_item(f"p{n}", poll=make_source(f"{url}/{n}")) for n in range(7)))
        await gate.until(3)
        await link.give(make_item("t", source_test=make_source(f"{url}/fast")))
        await link.until(lambda: len(link.completed) == 1)
        assert (link.completed[0].claim_id, gate.most, len(link.waiting)) == ("t", 4, 4)
        gate.opened.set()
        await link.until(lambda: len(link.completed) == 8)

    assert gate.most <= 4
    assert sorted(each.claim_id for each in link.completed) == [*(f"p{n}" for n in range(7)), "t"]


async def test_claims_leave_what_there_is_no_slot_for() -> None:
    """Without a free slot only tests and notifications are asked for; nothing is hoarded."""
    link = FakeLink()
    gate = Gate()
    async with serving(gate.answer) as url, working(link, Polling(max_concurrency=2)):
        await link.give(*(make_item(f"p{n}", poll=make_source(f"{url}/{n}")) for n in range(5)))
        await link.until(lambda: link.claims[-1:] == [(("source_test", "notification"), 8)])
        first = next(each for each in link.claims if each[1] == 2)
        assert (first, len(link.waiting)) == (((*POLLS, "source_test", "notification"), 2), 3)
        gate.opened.set()
        await link.until(lambda: len(link.completed) == 5)


async def test_configuration_decides_what_is_asked_for() -> None:
    """What is switched off is not asked for, and a change reaches the stream; with all off there is none."""
    link = FakeLink(can_watch=True)
    async with working(link, Polling(enabled=False), Notifications(enabled=True)) as (workers, _):
        await link.until(lambda: len(link.streams) == 1)
        workers.apply(Polling(max_concurrency=32), Notifications())
        await link.until(lambda: len(link.streams) == 2)
        workers.apply(Polling(enabled=False), Notifications())
        workers.apply(Polling(max_concurrency=2), Notifications(enabled=True))
        await link.until(lambda: len(link.streams) == 3)

    assert link.streams == [(("notification",), 8), ((*POLLS, "source_test"), 20), ((*POLLS, "source_test", "notification"), 2)]


async def test_duplicate_suspected_withholds_work() -> None:
    """The stream ends, and what waits is done when the suspicion is over."""
    link = FakeLink(can_watch=True)
    async with working(link) as (workers, _):
        await link.until(lambda: link.open_streams == 1)
        workers.withhold(is_duplicate=True)
        await link.until(lambda: link.open_streams == 0)
        await link.give(make_item("a", notification=work_pb2.NotificationWork(url="nowhere")))
        workers.withhold(is_duplicate=False)
        await link.until(lambda: len(link.completed) == 1)

    assert (len(link.streams), link.claims) == (2, [])


async def test_nothing_is_asked_for_before_the_time_is_known() -> None:
    """Leases and points have the product's times, which the first heartbeat brings."""

    class LateClock:
        looks = 0

        @property
        def is_known(self) -> bool:
            self.looks += 1
            return self.looks > 2

    link = FakeLink(clock=LateClock())
    async with working(link):
        await link.until(lambda: len(link.claims) >= 1)

    assert link.clock.looks > 2


async def test_stream_that_breaks_is_opened_again() -> None:
    """With backoff; a server that has none is asked by claims."""
    link = FakeLink(
        can_watch=True, stream_errors=[UnreachableError("gone"), UnreachableError("gone", retry_after=0.01), UnsupportedError("old")]
    )
    async with working(link):
        await link.until(lambda: len(link.claims) == 2)

    assert len(link.streams) == 3


async def test_void_credential_ends_the_work() -> None:
    """A revoked collector asks for nothing more."""
    link = FakeLink(claim_errors=[CredentialError("revoked")])
    workers = Workers(cast("Link", link), lambda _points: None)
    workers.apply(Polling(), Notifications())

    async with asyncio.timeout(10):
        await workers.run()
    assert len(link.claims) == 1


async def test_outcome_is_told_again_while_the_lease_lasts() -> None:
    """A server that is away for a moment gets the outcome later."""
    link = FakeLink(complete_errors=[UnreachableError("away"), UnreachableError("away")])
    async with working(link):
        await link.give(make_item("a", notification=work_pb2.NotificationWork(url="nowhere")))
        await link.until(lambda: len(link.completed) == 1)


@pytest.mark.parametrize("error", [ConflictError("used"), UnreachableError("away", retry_after=100.0)])
async def test_outcome_that_nobody_takes_is_dropped(error: CallError) -> None:
    """A used token or an ended lease: the next item is done as if nothing had happened."""
    link = FakeLink(complete_errors=[error])
    async with working(link, Polling(max_concurrency=1)):
        await link.give(make_item("a", notification=work_pb2.NotificationWork(url="nowhere")))
        await link.until(lambda: not link.complete_errors)
        await link.give(make_item("b", notification=work_pb2.NotificationWork(url="nowhere")))
        await link.until(lambda: len(link.completed) == 1)

    assert [each.claim_id for each in link.completed] == ["b"]


async def test_work_that_comes_too_late_is_not_begun() -> None:
    """Its lease is as good as over; the next item is done."""
    link = FakeLink()
    async with working(link):
        await link.give(make_item("late", 2.5, notification=work_pb2.NotificationWork(url="nowhere")))
        await link.give(make_item("good", notification=work_pb2.NotificationWork(url="nowhere")))
        await link.until(lambda: len(link.completed) == 1)

    assert [each.claim_id for each in link.completed] == ["good"]


async def test_budget_ends_a_poll_that_hangs() -> None:
    """The outcome is told within the lease."""
    link = FakeLink()
    gate = Gate()
    item = make_item("a")
    item.budget_ms = 1_200
    async with serving(gate.answer) as url, working(link):
        item.poll.CopyFrom(make_source(url))
        await link.give(item)
        await link.until(lambda: len(link.completed) == 1)

    assert link.outcome("a") == work_pb2.WorkOutcome(error="no answer within 1.2 s")


async def test_unknown_work_fails() -> None:
    """A kind that this version does not know is reported, so that nobody waits for it."""
    link = FakeLink()
    item = make_item("a")
    link.take = lambda _wanted, _count: [item] if not link.completed and len(link.claims) == 1 else []  # type: ignore[method-assign]
    async with working(link):
        await link.until(lambda: len(link.completed) == 1)

    assert link.outcome("a") == work_pb2.WorkOutcome(error="this collector does not know such work")


async def test_slots_change_size() -> None:
    """More slots let those in who wait, in their order; fewer take effect as slots are given back; who gives up makes room."""
    slots = Slots(1)
    order: list[str] = []
    leave = asyncio.Event()

    async def enter(name: str) -> None:
        async with slots:
            order.append(name)
            await leave.wait()

    tasks = [asyncio.create_task(enter(name)) for name in "abcd"]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.sleep(0)
    slots.resize(2)
    for _ in range(3):
        await asyncio.sleep(0)
    assert (order, slots.free) == (["a", "c"], 0)
    slots.resize(1)
    leave.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (order, slots.free) == (["a", "c", "d"], 1)
