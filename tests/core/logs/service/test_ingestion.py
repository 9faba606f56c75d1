import asyncio
from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import select

from lumetry_core.logs.entry_id import from_text
from lumetry_core.logs.model import EntryFault, ErrorDraft, Receipt, Settings, StoredEntry, StoredError
from lumetry_core.logs.service import append
from lumetry_core.logs.service.deciding import Projects
from lumetry_core.logs.service.ingestion import Push, push_logs
from lumetry_core.logs.store.blocks import log_blocks
from lumetry_core.projects.draft import Draft as ProjectDraft
from lumetry_core.projects.model import LogSettings, Project
from lumetry_core.projects.model import Settings as ProjectSettings
from lumetry_core.projects.service import create
from lumetry_core.projects.store.projects import save
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Database, open_database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from lumetry_core.runtime.queue import Wakeups
from tests.conftest import FakeClock
from tests.core.logs.building import NOW_MS, Find, Send, make_caller, make_entry, make_error, running_appender

CARD = "4111 1111 1111 1111"


async def test_push_stores_what_was_sent(send: Send, find: Find, project: Project, clock: FakeClock) -> None:
    """An entry comes back as it was sent, to the nanosecond, with its defaults."""
    error = make_error(type="PaymentError", message="no funds", stack_trace=["at a (b.ts:1)"], context=b'{"k":1}', fingerprint="f")
    entry = make_entry(
        "Grüße", 0.123456789, 4, {"user": {"id": 7}}, environment="eu", project_id="shop", error=error, traces=("t", None, "p")
    )
    receipt, faults = await send(entry)
    (found,) = await find()
    assert (receipt, faults) == (Receipt(1, 10), [])
    assert found == StoredEntry(
        id=found.id,
        time_ns=NOW_MS * 1_000_000 + 123_456_789,
        receive_time=clock.now(),
        level=4,
        message="Grüße",
        environment="eu",
        key_environment=None,
        project_id="shop",
        key_project_id=project.id,
        metadata=b'{"user":{"id":7}}',
        error=StoredError("PaymentError", "no funds", ("at a (b.ts:1)",), b'{"k":1}', "f"),
        trace_id="t",
        span_id=None,
        parent_span_id="p",
        fingerprint=found.fingerprint,
    )


async def test_push_by_a_log_key(send: Send, find: Find, organization_id: int) -> None:
    """The key decides project and environment; labels stay labels."""
    key = Caller(organization_id, CredentialKind.LOG_KEY, credential_id=1, project_id="p-1", environment="staging")
    await send(make_entry("a"), make_entry("b", 1, environment="x", project_id="y"), by=key)
    found = await find(order="asc")
    assert [(entry.environment, entry.key_environment, entry.project_id, entry.key_project_id) for entry in found] == [
        ("staging", "staging", "p-1", "p-1"),
        ("x", "staging", "y", "p-1"),
    ]


async def test_push_decides_by_label(
    database: Database, send: Send, find: Find, caller: Caller, project: Project, clock: FakeClock
) -> None:
    """Without a log key the project of the label decides, by slug or UUID, else the default one."""
    async with database.write() as tx:
        shop = await create(tx, caller, ProjectDraft(name="Shop"), clock.now())
    await send(
        make_entry("a", project_id="shop"),
        make_entry("b", 1, project_id=shop.id),
        make_entry("c", 2, project_id="none"),
        make_entry("d", 3),
    )
    assert [entry.key_project_id for entry in await find(order="asc")] == [shop.id, shop.id, project.id, project.id]


async def test_push_takes_arrival_for_an_impossible_time(send: Send, find: Find) -> None:
    """Before 1970, or more than 24 hours ahead, the text is kept and the arrival counts."""
    early, late, fine = make_entry("a"), make_entry("b", 86_401), make_entry("c", 86_400)
    early.time_ns, early.time_text = -1, "1969-12-31 23:59:59.999"
    await send(early, late, fine)
    found = {entry.message: (entry.time_ns - NOW_MS * 1_000_000, entry.original_timestamp) for entry in await find()}
    assert found == {
        "a": (0, "1969-12-31 23:59:59.999"),
        "b": (0, "2026-06-02T08:00:01Z"),
        "c": (86_400_000_000_000, None),
    }


async def test_push_reports_every_fault_and_stores_nothing(send: Send, find: Find) -> None:
    """Faults come in order, as a failure or in the answer; nothing of the batch is kept."""

    def batch() -> list[object]:
        bad = make_entry("x" * 10_241, level=0, metadata={"k": "v" * 102_400})
        bad.time_ns = None
        return [make_entry(), bad, make_entry(level=9)]

    expected = [
        ("logs[1].timestamp", "required", 1),
        ("logs[1].level", "required", 1),
        ("logs[1].message", "must be at most 10240 bytes of UTF-8", 1),
        ("logs[1].metadata", "must be at most 102400 bytes of compact JSON", 1),
        ("logs[2].level", "must be one of debug, info, warn, error, fatal, panic", 2),
    ]
    assert await send(*batch(), return_faults=True) == (Receipt(0, 0), [EntryFault(*fault) for fault in expected])
    with pytest.raises(LumetryError) as caught:
        await send(*batch())
    assert caught.value.reason is Reason.VALIDATION_FAILED
    assert caught.value.faults == tuple(Fault(path, message) for path, message, _ in expected)
    assert await find() == []


async def test_push_only_validates(send: Send, find: Find) -> None:
    """Nothing is stored when only faults were asked for, whether there are any or not."""
    assert await send(make_entry(), validate_only=True) == (Receipt(0, 0), [])
    assert await send(validate_only=True) == (Receipt(0, 0), [])
    assert await find() == []


@pytest.mark.parametrize(("count", "message"), [(0, "must hold at least one entry"), (1001, "must hold at most 1000 entries")])
async def test_push_of_a_wrong_number(send: Send, count: int, message: str) -> None:
    """An empty batch and one of too many entries are refused, whatever is in them."""
    with pytest.raises(LumetryError) as caught:
        await send(*[make_entry(level=0) for _ in range(count)], return_faults=True)
    assert (caught.value.faults, caught.value.metadata) == ((Fault("logs", message),), {"batch_limit": "1000"} if count else {})


async def test_push_of_a_full_batch(send: Send, find: Find) -> None:
    """A thousand entries are stored as one, and all are found."""
    assert await send(*[make_entry(str(number), number) for number in range(1000)]) == (Receipt(1000, 10_000), [])
    assert [entry.message for entry in await find(order="asc", limit=1000)] == [str(number) for number in range(1000)]


async def test_push_scrubs_before_it_stores(database: Database, send: Send, find: Find) -> None:
    """A card number is in no answer and not in the stored bytes."""
    await send(make_entry(f"paid with {CARD}", metadata={"password": "hunter2", "note": f"x {CARD}"}))
    (found,) = await find()
    assert (found.message, found.metadata) == ("paid with [REDACTED:card]", b'{"password":"[REDACTED:key]","note":"x [REDACTED:card]"}')
    assert found.redactions == {"card": 2, "key": 1}


async def test_push_cuts_after_it_scrubs(send: Send, find: Find) -> None:
    """A secret that lies across a cut leaves no part of itself: what was cut could not be recognised any more."""
    error = ErrorDraft(message="x" * 10_230 + f" {CARD} " + "y" * 100, stack_trace=["x" * 8_182 + f" {CARD} " + "y" * 100])
    await send(make_entry("m", error=error))
    (found,) = await find()
    assert found.error is not None
    kept = (found.error.message or "", *found.error.stack_trace)
    assert [text.count("4") for text in kept] == [0, 0]
    assert [len(text) for text in kept] == [10_240, 8_192]
    assert (found.redactions, sorted(found.truncated)) == ({"card": 2}, ["error.message", "error.stack_trace"])


@pytest.mark.parametrize(("allowed", "message"), [(True, CARD), (False, "[REDACTED:card]")])
async def test_push_in_privacy_mode(database: Database, send: Send, find: Find, project: Project, allowed: bool, message: str) -> None:
    """The caller's claim counts only where the project allows it; it is stored in any case."""
    async with database.write() as tx:
        await save(tx, replace(project, settings=ProjectSettings(LogSettings(allow_privacy_mode=allowed))))
    await send(make_entry(CARD, privacy_mode=True), make_entry(CARD))
    found = {(entry.privacy_mode, entry.message) for entry in await find()}
    assert found == {(True, message), (False, "[REDACTED:card]")}


async def test_push_scrubs_what_the_project_asks_for(
    database: Database, send: Send, find: Find, project: Project, clock: FakeClock
) -> None:
    """E-mail addresses and national ids go only where a project wants it; a change of its settings counts within seconds."""
    text = "a@b.example 123-45-6789"
    await send(make_entry(text))
    async with database.write() as tx:
        await save(tx, replace(project, settings=ProjectSettings(LogSettings(scrub_emails=True, scrub_national_ids=True))))
    clock.advance(seconds=2)
    await send(make_entry(text, 1))
    assert [entry.message for entry in await find(order="asc")] == [text, "[REDACTED:email] [REDACTED:national_id]"]


async def test_push_again_with_its_key(send: Send, find: Find, clock: FakeClock) -> None:
    """Within 24 hours the first answer is given again and nothing is stored; afterwards, or by another credential, it is new."""
    first, _ = await send(make_entry("a"), make_entry("b"), idempotency_key="k 1")
    clock.advance(hours=23)
    again, _ = await send(make_entry("c"), idempotency_key="k 1")
    assert (first, again) == (Receipt(2, 20), Receipt(2, 20, is_repeat=True))
    clock.advance(hours=1)
    await send(make_entry("d"), idempotency_key="k 1")
    assert sorted(entry.message for entry in await find()) == ["a", "b", "d"]


async def test_push_again_by_another_credential(send: Send, find: Find, organization_id: int) -> None:
    """Keys belong to credentials."""
    await send(make_entry("a"), idempotency_key="k")
    await send(make_entry("b"), idempotency_key="k", by=make_caller(organization_id, credential_id=6))
    assert len(await find()) == 2


async def test_push_again_at_once(send: Send, find: Find) -> None:
    """Of concurrent pushes with one key one is stored, and all get the same answer."""
    answers = await asyncio.gather(*[send(make_entry(str(number)), idempotency_key="k") for number in range(10)])
    assert sorted(receipt.is_repeat for receipt, _ in answers) == [False] + [True] * 9
    assert len(await find()) == 1


async def test_push_again_to_another_process(
    database: Database, database_url: str, organization_id: int, find: Find, clock: FakeClock
) -> None:
    """A key is known after a restart, and to other processes that take the same push meanwhile."""
    other = open_database(database_url, Wakeups().wake)
    async with running_appender(database, clock) as one, running_appender(other, clock) as two:
        pushes = [
            push_logs(
                running.append,
                Projects(opened),
                clock,
                Settings(),
                make_caller(organization_id),
                Push([make_entry("a")], idempotency_key="k"),
            )
            for running, opened in ((one, database), (two, other), (one, database), (two, other))
        ]
        answers = await asyncio.gather(*pushes)
    await other.close()
    assert sorted(receipt.is_repeat for receipt, _ in answers) == [False, True, True, True]
    assert len(await find()) == 1


@pytest.mark.parametrize("key", ["x" * 129, "ä", "a\n"])
async def test_push_with_a_wrong_key(send: Send, key: str) -> None:
    """Keys have 1 to 128 printable ASCII characters."""
    _, faults = await send(make_entry(), idempotency_key=key, return_faults=True)
    assert [fault.path for fault in faults] == ["Idempotency-Key"]


async def test_push_of_an_identical_body(send: Send, find: Find, clock: FakeClock, organization_id: int) -> None:
    """Where it is switched on, the same body of two or more entries is a repetition for a while, from the same address."""

    def batch(count: int = 2) -> list[object]:
        return [make_entry("a") for _ in range(count)]

    await send(*batch(), body_digest=b"d")
    assert (await send(*batch(), body_digest=b"d"))[0].is_repeat
    assert not (await send(*batch(), body_digest=b"e"))[0].is_repeat
    assert not (await send(*batch(), body_digest=b"d", by=make_caller(organization_id, address="10.0.0.1")))[0].is_repeat
    assert not (await send(*batch(1), body_digest=b"f"))[0].is_repeat
    assert not (await send(*batch(1), body_digest=b"f"))[0].is_repeat
    clock.advance(seconds=60)
    assert not (await send(*batch(), body_digest=b"d"))[0].is_repeat
    assert len(await find()) == 10


async def test_push_shares_commits_and_orders_ids(database: Database, send: Send, find: Find, clock: FakeClock) -> None:
    """Concurrent pushes become few blocks; ids ascend within a push and from one push to the next, even when the clock goes back."""
    await asyncio.gather(*[send(*[make_entry(f"{number}.{entry}", entry) for entry in range(3)]) for number in range(20)])
    clock.advance(seconds=-5)
    await send(make_entry("last"))
    async with database.read() as tx:
        blocks = (await tx.execute(select(log_blocks.c.id))).all()
    found = sorted(await find(), key=lambda entry: entry.id)
    assert len(blocks) < 10
    assert len({entry.id for entry in found}) == 61
    assert found[-1].message == "last"
    for number in range(20):
        assert [entry.message for entry in found if entry.message.startswith(f"{number}.")] == [f"{number}.{entry}" for entry in range(3)]
    assert all((identity := from_text(entry.id)) is not None and identity[6] >> 4 == 7 and identity[8] >> 6 == 2 for entry in found)


async def test_push_goes_on_when_one_push_breaks(send: Send, find: Find, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unforeseen failure refuses the push that causes it, not those that share its commit."""
    build = append.build_block

    def break_on_three(source: object, organization_id: int, project_id: str, parts: list[append.Part], now: datetime) -> object:
        if any(part.count == 3 for part in parts):
            raise ZeroDivisionError
        return build(source, organization_id, project_id, parts, now)  # type: ignore[arg-type]

    monkeypatch.setattr(append, "build_block", break_on_three)
    answers = await asyncio.gather(*[send(*[make_entry() for _ in range(count)]) for count in (1, 2, 3, 4)], return_exceptions=True)
    assert [isinstance(answer, LumetryError) and answer.reason for answer in answers] == [False, False, Reason.STORE_UNAVAILABLE, False]
    assert len(await find()) == 7


async def test_push_after_the_end_of_the_appender(database: Database, clock: FakeClock, caller: Caller) -> None:
    """Who comes too late is told to try again."""
    async with running_appender(database, clock) as appender:
        await push_logs(appender.append, Projects(database), clock, Settings(), caller, Push([make_entry()]))
    with pytest.raises(LumetryError) as caught:
        await push_logs(appender.append, Projects(database), clock, Settings(), caller, Push([make_entry()]))
    assert caught.value.reason is Reason.STORE_UNAVAILABLE
