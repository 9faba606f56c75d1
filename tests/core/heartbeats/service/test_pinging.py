import asyncio

import pytest

from lumetry_core.heartbeats.model import MAX_PAYLOAD_BYTES, Outcome, Ping, PingKind, Receipt, Status, StoredPing, Verdict
from lumetry_core.heartbeats.service import reading
from lumetry_core.heartbeats.service.appender import PingAppender
from lumetry_core.heartbeats.service.pinging import Submission, read_payload
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.core.heartbeats.building import START, after
from tests.core.heartbeats.world import World

STRANGER = "99999999-0000-4000-8000-000000000000"


async def test_record_pings_of_a_run(world: World) -> None:
    """A start and an end are kept as pings with when they were expected, and make one run with what it printed."""
    heartbeat = await world.ping(await world.create())
    world.pass_minutes(9)
    await world.ping(heartbeat, PingKind.START, payload="begins")
    world.pass_minutes(1)
    finished = await world.ping(heartbeat, PingKind.EXIT_CODE, 0)
    assert (finished.status, finished.last_exit_code, finished.last_duration_ms) == (Status.UP, 0, 60_000)
    runs = await world.runs(heartbeat)
    assert [(run.number, run.start_time, run.end_time, run.duration_ms, run.exit_code, run.outcome, run.payload) for run in runs] == [
        (2, after(minutes=9), after(minutes=10), 60_000, 0, Outcome.SUCCESS, "begins"),
        (1, None, START, None, None, Outcome.SUCCESS, None),
    ]
    newest, middle, first = await world.pings(heartbeat)
    expected = (after(minutes=10), after(minutes=12))
    ping = Ping("", PingKind.START, None, "192.0.2.1", "GET", "begins")
    assert middle == StoredPing(middle.id, heartbeat.id, ping, after(minutes=9), *expected)
    assert (first.expected_time, first.grace_deadline) == (None, None)
    assert (newest.ping.exit_code, newest.expected_time, newest.grace_deadline) == (0, *expected)


async def test_record_pings_of_one_group_in_order(world: World) -> None:
    """Pings that share a transaction follow each other: a whole run, a failure and its recovery."""
    heartbeat = await world.create()
    other = await world.create(name="other")
    kinds = [PingKind.START, PingKind.FAIL, PingKind.START, PingKind.SUCCESS]
    pings = [Ping(heartbeat.uuid, kind, None, "192.0.2.1", "POST") for kind in kinds]
    receipts = await world.record(pings[:1], [Ping(other.uuid, PingKind.START, None, "192.0.2.2", "GET"), *pings[1:]])
    assert {receipt.verdict for receipt in receipts} == {Verdict.ACCEPTED}
    assert [run.outcome for run in await world.runs(heartbeat)] == [Outcome.SUCCESS, Outcome.FAILURE]
    assert [run.outcome for run in await world.runs(other)] == [Outcome.IN_PROGRESS]
    assert await world.alerts(heartbeat) == {}
    assert [stored.ping.kind for stored in await world.pings(heartbeat)] == kinds[::-1]
    assert (await world.read(heartbeat)).consecutive_successes == 1
    assert await world.today(heartbeat) == (50.0, 0)


async def test_record_pings_tells(world: World) -> None:
    """Every ping is told under both names, and what it changed once."""
    heartbeat = await world.create()
    await world.ping(heartbeat)
    await world.ping(heartbeat, PingKind.EXIT_CODE, 2)
    await world.ping(heartbeat, PingKind.EXIT_CODE, 2)
    await world.ping(heartbeat)
    number = heartbeat.id

    def ping(kind: str, code: int | None = None) -> list[tuple[str, dict[str, object]]]:
        data = {"heartbeat_id": number, "name": "backup", "ping_type": kind, "exit_code": code, "status": "up"}
        return [("heartbeat.pinged", data), ("heartbeat.ping_received", data)]

    details = "backup failed with exit code 2"
    alert = {"heartbeat_id": number, "name": "backup", "alert_type": "exit_code_failure", "details": details}
    assert await world.told() == [
        ("heartbeat.created", {"heartbeat_id": number, "name": "backup", "uuid": heartbeat.uuid, "status": "new"}),
        *ping("success"),
        ("heartbeat.status_changed", {"heartbeat_id": number, "old_status": "new", "new_status": "up"}),
        *ping("exit_code", 2),
        ("heartbeat.alert", alert),
        *ping("exit_code", 2),
        *ping("success"),
        ("heartbeat.recovery", {"heartbeat_id": number, "name": "backup"}),
    ]


async def test_record_pings_failed_run(world: World) -> None:
    """A failed run opens one critical alert, however often it fails, and one success closes it."""
    heartbeat = await world.ping(await world.create(topology_node_id=None))
    await world.ping(heartbeat, PingKind.FAIL)
    opened = (await world.alerts(heartbeat))["exit_code_failure"]
    assert (opened.alert_name, opened.severity, opened.trigger_reason) == ("Job failed: backup", "Critical", "backup failed")
    assert opened.details == {"heartbeat_id": heartbeat.id, "name": "backup", "exit_code": None}
    world.pass_minutes(1)
    await world.ping(heartbeat, PingKind.EXIT_CODE, 9)
    again = (await world.alerts(heartbeat))["exit_code_failure"]
    assert (again.id, again.details) == (opened.id, {"heartbeat_id": heartbeat.id, "name": "backup", "exit_code": 9})
    await world.ping(heartbeat)
    assert await world.alerts(heartbeat) == {}


async def test_record_pings_after_person_closed(world: World) -> None:
    """When a person closed the alert, the next failed run opens another (9.5)."""
    heartbeat = await world.create()
    await world.ping(heartbeat, PingKind.FAIL)
    first = (await world.alerts(heartbeat))["exit_code_failure"]
    await world.close(first)
    world.pass_minutes(1)
    await world.ping(heartbeat, PingKind.START)
    assert await world.alerts(heartbeat) == {}
    await world.ping(heartbeat, PingKind.FAIL)
    assert (await world.alerts(heartbeat))["exit_code_failure"].id != first.id


async def test_record_pings_of_strangers(world: World) -> None:
    """A ping without a heartbeat is not found until its address comes too often; pings that have one are not held up by that."""
    heartbeat = await world.create()
    stranger = Ping(STRANGER, PingKind.SUCCESS, None, "192.0.2.9", "GET")
    receipts = await world.record([stranger] * 22, [Ping(heartbeat.uuid, PingKind.SUCCESS, None, "192.0.2.9", "GET")])
    assert receipts == [Receipt(Verdict.NOT_FOUND)] * 20 + [Receipt(Verdict.RATE_LIMITED, 1)] * 2 + [Receipt(Verdict.ACCEPTED)]
    assert await world.record([Ping(STRANGER, PingKind.SUCCESS, None, "192.0.2.10", "GET")]) == [Receipt(Verdict.NOT_FOUND)]


async def test_record_pings_too_often(world: World) -> None:
    """A heartbeat takes 20 pings at once and 10 a second; what is refused leaves no trace, and others are not affected."""
    heartbeat, other = await world.create(), await world.create(name="other")
    ping = Ping(heartbeat.uuid, PingKind.SUCCESS, None, "192.0.2.1", "GET")
    receipts = await world.record([ping] * 25, [Ping(other.uuid, PingKind.SUCCESS, None, "192.0.2.1", "GET")])
    assert [receipt.verdict for receipt in receipts] == ["accepted"] * 20 + ["rate_limited"] * 5 + ["accepted"]
    assert len(await world.pings(heartbeat)) == 20
    world.clock.advance(milliseconds=500)
    assert [receipt.verdict for receipt in await world.record([ping] * 6)] == ["accepted"] * 5 + ["rate_limited"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", None),
        (b"done", "done"),
        ("grün".encode(), "grün"),
        (b"\xff\xfe half \x00", "\ufffd\ufffd half \ufffd"),
        (b"password=hunter2hunter2 done", "password=[REDACTED:password] done"),
        (b"x" * 20_000, "x" * MAX_PAYLOAD_BYTES),
    ],
)
def test_read_payload(content: bytes, text: str | None) -> None:
    """The beginning of any body is kept as text, without secrets."""
    assert read_payload(content) == text


async def test_append_answers_once_durable(world: World) -> None:
    """Pings that come at the same time share a commit and are there when they are answered; after the end nothing is taken."""
    heartbeat = await world.create()
    appender = PingAppender(world.database, world.clock)
    running = asyncio.create_task(appender.run())
    submissions = [Submission([Ping(heartbeat.uuid, PingKind.LOG, None, "192.0.2.1", "POST", f"{number}")]) for number in range(10)]
    answers = await asyncio.gather(*(appender.append(submission) for submission in submissions))
    assert answers == [[Receipt(Verdict.ACCEPTED)]] * 10
    assert [stored.ping.payload for stored in await world.pings(heartbeat)] == [str(number) for number in range(9, -1, -1)]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    with pytest.raises(LumetryError) as raised:
        await appender.append(submissions[0])
    assert raised.value.reason is Reason.STORE_UNAVAILABLE


async def test_record_pings_keeps_organizations_apart(world: World) -> None:
    """A ping is its heartbeat's owner's alone."""
    heartbeat = await world.ping(await world.create())
    async with world.database.read() as tx:
        assert await reading.list_heartbeats(tx, 8, "") == []
        with pytest.raises(LumetryError) as raised:
            await reading.list_pings(tx, 8, heartbeat.id, 10, 0)
    assert raised.value.reason is Reason.NOT_FOUND
