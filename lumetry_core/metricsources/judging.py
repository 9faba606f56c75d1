"""What a poll makes of a source."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lumetry_core.collectors.agent.polling.model import ItemResult
from lumetry_core.metricsources.model import FAILURES_IN_ROW, PollStatus, Source, Standing

MAX_ERROR = 1_000
SHOWN = 3


@dataclass(frozen=True, slots=True)
class PollResult:
    """What came of a poll: nothing is wrong when `error` is empty. `failed_keys` are the metrics that got no values."""

    error: str = ""
    failed_keys: frozenset[str] = frozenset()


def judge_poll(before: Standing, result: PollResult, now: datetime) -> Standing:
    """How a source fares after a poll."""
    if result.error:
        failures = before.failures_in_row + 1
        return replace(before, poll_time=now, status=PollStatus.FAILED, error=result.error, failures_in_row=failures)
    return Standing(now, PollStatus.SUCCESS, None, now, 0)


def is_failing(standing: Standing) -> bool:
    """Whether operators are to be told."""
    return standing.failures_in_row >= FAILURES_IN_ROW


def sum_up(source: Source, results: Sequence[ItemResult], refused: Collection[tuple[int, str]]) -> PollResult:
    """What the items of a poll come to.

    Args:
        refused: Positions of items whose points were not taken, and why.
    """
    errors = {position: each.error for position, each in enumerate(results) if each.error} | dict(refused)
    if not errors:
        return PollResult()
    items = source.definition.items
    failed = frozenset(items[position].metric_key for position in errors)
    if len(errors) == len(items) and len(set(errors.values())) == 1:
        return PollResult(errors[0][:MAX_ERROR], failed)
    shown = [f"items[{position}] ({items[position].metric_key}): {errors[position]}" for position in sorted(errors)[:SHOWN]]
    if len(errors) > SHOWN:
        shown.append(f"and {len(errors) - SHOWN} more")
    return PollResult("; ".join(shown)[:MAX_ERROR], failed)
