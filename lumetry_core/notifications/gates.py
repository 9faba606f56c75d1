"""What the last six gates say of a transition, in words (contract lumetry 19.2). Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from lumetry_core.alerts.decisions import Decision, Explanation, Gate, Outcome, Record, Verdict
from lumetry_core.notifications.delivery import Delivery, DeliveryStatus
from lumetry_core.runtime.clock import spell_time

NO_INTEGRATION = "No integration is configured"
NOT_REACHED = "An earlier gate is closed"
NOTHING_TO_SEND = "Nothing is to be sent"


def passed(gate: Gate, reason: str, record: Record | None, now: datetime, **details: Any) -> Decision:  # noqa: ANN401 -- JSON values
    """The gate let it through."""
    return Decision(gate, Verdict.PASSED, reason, record, now, details)


def blocked(gate: Gate, reason: str, record: Record | None, now: datetime, **details: Any) -> Decision:  # noqa: ANN401 -- JSON values
    """The gate stopped it for good."""
    return Decision(gate, Verdict.BLOCKED, reason, record, now, details)


def held(gate: Gate, reason: str, record: Record | None, now: datetime, **details: Any) -> Decision:  # noqa: ANN401 -- JSON values
    """The gate stopped it for now."""
    return Decision(gate, Verdict.HELD, reason, record, now, details)


def not_applicable(gate: Gate, reason: str, now: datetime) -> Decision:
    """The gate does not concern it."""
    return Decision(gate, Verdict.NOT_APPLICABLE, reason, None, now)


def not_reached(gate: Gate) -> Decision:
    """The gate comes after a closed one."""
    return Decision(gate, Verdict.NOT_REACHED, NOT_REACHED, None, None)


UNDELIVERED = not_reached(Gate.DELIVERY)


def has_held(decision: Decision) -> bool:
    """Whether a gate holds a transition, or did so before it was released."""
    return decision.verdict is Verdict.HELD or "releasedAt" in decision.details


def released(decision: Decision, now: datetime) -> Decision:
    """A gate that held a transition and does so no longer keeps its entry, however often the others are asked anew."""
    if decision.verdict is not Verdict.HELD:
        return decision
    return replace(decision, verdict=Verdict.PASSED, details={**decision.details, "releasedAt": spell_time(now)})


def conclude(
    before: Explanation,
    routed: Sequence[Decision],
    summary: str,
    deliveries: Sequence[Delivery],
    names: Mapping[int, str],
    now: datetime,
) -> Explanation:
    """The whole trace: what detection said, what routing said, and what became of the deliveries.

    Args:
        routed: Gates 4 to 8.
        summary: What is to be said when nothing is to be sent.
        deliveries: All of this transition, in the order of the route.
        names: Of integrations, by number.
    """
    tried = [delivery for delivery in deliveries if delivery.is_told or delivery.status is DeliveryStatus.FAILED]
    if any(decision.verdict in (Verdict.BLOCKED, Verdict.HELD) for decision in routed):
        return rebuild(before, routed, UNDELIVERED, Outcome.NOT_PAGED, summary)
    shown = [delivery for delivery in deliveries if delivery.status is not DeliveryStatus.SUPPRESSED]
    targets = [spell_target(delivery) for delivery in shown]
    if not tried:
        skipped = next(iter(shown), None)
        record = None if skipped is None else skipped.record
        decision = blocked(Gate.DELIVERY, summary or NOTHING_TO_SEND, record, now, targets=targets)
        return rebuild(before, routed, decision, Outcome.NOT_PAGED, summary or NOTHING_TO_SEND)
    decision, outcome = judge_results(tried, names, targets, now)
    return rebuild(before, routed, decision, outcome, decision.reason)


def judge_results(
    tried: Sequence[Delivery], names: Mapping[int, str], targets: list[dict[str, Any]], now: datetime
) -> tuple[Decision, Outcome]:
    """The last gate and the outcome, by what became of the deliveries that were made."""
    waiting = [delivery for delivery in tried if delivery.status is DeliveryStatus.PENDING]
    failed = [delivery for delivery in tried if delivery.status is DeliveryStatus.FAILED]
    done = [delivery for delivery in tried if delivery.status is DeliveryStatus.SUCCESS]
    sentences = []
    if done:
        sentences.append(f"Delivered to {list_names(done, names)}")
    if waiting:
        sentences.append(f"Being delivered to {list_names(waiting, names)}")
    if failed:
        errors = f": {failed[0].last_error}" if len(failed) == 1 and failed[0].last_error else ""
        sentences.append(f"Could not be delivered to {list_names(failed, names)}{errors}")
    reason = "; ".join(sentences)
    deciding = (failed or waiting or done)[0]
    record = Record("AlertingIntegration", str(deciding.integration_id), names.get(deciding.integration_id, ""))
    if waiting:
        return Decision(Gate.DELIVERY, Verdict.PENDING, reason, record, now, {"targets": targets}), Outcome.PENDING
    if not failed:
        return passed(Gate.DELIVERY, reason, record, now, targets=targets), Outcome.PAGED
    if done:
        return passed(Gate.DELIVERY, reason, record, now, targets=targets), Outcome.PARTLY_PAGED
    return blocked(Gate.DELIVERY, reason, record, now, targets=targets), Outcome.NOT_PAGED


def rebuild(before: Explanation, routed: Sequence[Decision], last: Decision, outcome: Outcome, summary: str) -> Explanation:
    """The trace with new gates after detection."""
    return replace(before, outcome=outcome, summary=summary, gates=(*before.gates[:3], *routed, last))


def spell_target(delivery: Delivery) -> dict[str, Any]:
    """What `details.targets` says of a delivery."""
    return {
        "integrationId": delivery.integration_id or None,
        "deliveryId": delivery.id,
        "status": delivery.status.value,
        "attempts": delivery.attempts,
        "lastError": delivery.last_error,
    }


def list_names(deliveries: Sequence[Delivery], names: Mapping[int, str]) -> str:
    """The integrations for people."""
    return ", ".join(names.get(delivery.integration_id) or f"integration {delivery.integration_id}" for delivery in deliveries)
