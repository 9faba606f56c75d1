"""Tests of sources: what is tested, and those that collectors make."""

from dataclasses import replace
from datetime import datetime, timedelta

from lumetry_core.access.service.audit import record_audit, storable
from lumetry_core.access.vault import VaultError
from lumetry_core.collectors.service.working import enqueue, find_lasting_obstacle
from lumetry_core.collectors.work import WorkDraft, WorkKind
from lumetry_core.metricsources.drafts import SourceDraft
from lumetry_core.metricsources.judging import MAX_ERROR
from lumetry_core.metricsources.model import ENTITY, TEST_LIFE, Source, SourceTest, SourceTestStatus
from lumetry_core.metricsources.schedule import poll_budget
from lumetry_core.metricsources.sealing import Candidate, Rules, leads_elsewhere, seal_candidate, unseal, unseal_candidate
from lumetry_core.metricsources.service.sources import ELSEWHERE, check_draft, get_source
from lumetry_core.metricsources.store import tests as store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason, not_found

PATIENCE = timedelta(minutes=2)
"""So long a test waits for its collector."""
MAX_WAITING = 20
RETRY_SECONDS = 10


async def begin_test(
    tx: Transaction, caller: Caller, source_id: int | None, draft: SourceDraft | None, rules: Rules, now: datetime
) -> tuple[Candidate, SourceTest | None]:
    """Judges what is to be tested; answers it, and the test that a collector makes or cannot make: None when the caller has to make it.

    Fails with NOT_FOUND, VALIDATION_FAILED, and with OVERLOADED while too many tests of the organization wait for collectors.
    """
    organization_id = caller.organization_id
    saved = None if source_id is None else await get_source(tx, organization_id, source_id)
    candidate = await judge_candidate(tx, organization_id, saved, draft, rules)
    definition = candidate.definition
    test = None
    if definition.collector_id is not None:
        test = await queue_test(tx, organization_id, candidate, definition.collector_id, rules, now)
    # Without values, as a test is no change and no part of the source's history.
    await record_audit(tx, caller, f"{ENTITY}.Tested", ENTITY, source_id or "candidate", now)
    return candidate, test


async def judge_candidate(
    tx: Transaction, organization_id: int, saved: Source | None, draft: SourceDraft | None, rules: Rules
) -> Candidate:
    """What is to be tested, with its secret in the clear. Fails with VALIDATION_FAILED."""
    faults = Faults()
    if draft is None and saved is not None:
        definition, keeps = saved.definition, True
    else:
        sent = draft or SourceDraft()
        # A name need not be thought of yet, and is of no importance here.
        definition = await check_draft(tx, organization_id, replace(sent, name=sent.name.strip() or "candidate"), rules, faults)
        keeps = sent.secret is None
        if not faults and saved is not None and saved.sealed is not None and keeps:
            faults.check(not leads_elsewhere(saved, definition), "secret", ELSEWHERE)
    faults.raise_if_any()
    secret = "" if draft is None else draft.secret or ""
    if keeps and saved is not None:
        try:
            secret = unseal(rules.vault, organization_id, saved.sealed)
        except VaultError:
            faults.add("secret", "is stored but cannot be opened with the key of this core; send it anew")
    faults.raise_if_any()
    return Candidate(definition, secret, 0 if saved is None else saved.id)


async def queue_test(
    tx: Transaction, organization_id: int, candidate: Candidate, collector_id: str, rules: Rules, now: datetime
) -> SourceTest:
    """Has a collector make a test; one that it cannot make has failed at once, and is not kept."""
    capabilities = [f"poll:{candidate.definition.type.value}", "source_test"]
    obstacle = await find_lasting_obstacle(tx, organization_id, collector_id, WorkKind.SOURCE_TEST, capabilities, now)
    if obstacle is not None:
        return SourceTest(status=SourceTestStatus.FAILED, duration_ms=0, error=obstacle)
    if await store.count_waiting(tx, organization_id) >= MAX_WAITING:
        message = "Too many tests wait for collectors."
        raise LumetryError(Reason.OVERLOADED, message, retry_after_seconds=str(RETRY_SECONDS))
    sealed = seal_candidate(rules.vault, organization_id, candidate)
    number = await store.insert_test(tx, organization_id, sealed, now)
    budget = poll_budget(candidate.definition.timeout_seconds, len(candidate.definition.items))
    draft = WorkDraft(
        collector_id=collector_id,
        kind=WorkKind.SOURCE_TEST,
        capability="source_test",
        subject=str(number),
        budget_ms=int(budget * 1000),
        expire_time=now + PATIENCE,
    )
    await enqueue(tx, organization_id, [draft], now)
    return SourceTest(id=number, status=SourceTestStatus.QUEUED)


async def get_test(tx: Transaction, organization_id: int, test_id: int, now: datetime) -> SourceTest:
    """How far a test is that a collector makes. Fails with NOT_FOUND, also for those of more than an hour ago."""
    found = await store.find_test(tx, organization_id, test_id)
    if found is None or now - found.create_time >= TEST_LIFE:
        raise not_found("Test of a metric source", test_id)
    return found.test


async def start_test(tx: Transaction, organization_id: int, test_id: int, rules: Rules) -> Candidate | None:
    """What a collector is to test now; None when the test is over or forgotten. Raises VaultError."""
    candidate = await find_candidate(tx, organization_id, test_id, rules)
    if candidate is not None:
        await store.update_test(tx, organization_id, SourceTest(id=test_id, status=SourceTestStatus.RUNNING), is_over=False)
    return candidate


async def find_candidate(tx: Transaction, organization_id: int, test_id: int, rules: Rules) -> Candidate | None:
    """What a collector tests, with its secret; None when the test is over or forgotten. Raises VaultError."""
    found = await store.find_test(tx, organization_id, test_id)
    return None if found is None or found.sealed is None else unseal_candidate(rules.vault, organization_id, found.sealed)


async def end_test(tx: Transaction, organization_id: int, test: SourceTest) -> None:
    """Keeps the result of a test; what was tested is forgotten."""
    error = None if test.error is None else storable(test.error, MAX_ERROR)
    await store.update_test(tx, organization_id, replace(test, error=error), is_over=True)
