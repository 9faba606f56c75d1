"""What polls make of sources."""

from datetime import UTC, datetime, timedelta

from lumetry_core.collectors.agent.polling.model import ItemResult, Target
from lumetry_core.metricsources.judging import PollResult, is_failing, judge_poll, sum_up
from lumetry_core.metricsources.model import Definition, PollStatus, Source, SourceItem, SourceType, Standing

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
ITEMS = tuple(SourceItem(f"m{position}", "up") for position in range(5))
SOURCE = Source(
    id=1,
    organization_id=7,
    definition=Definition(name="a", type=SourceType.PROMETHEUS, target=Target(), items=ITEMS),
    sealed=None,
    standing=Standing(),
    epoch=1,
    create_time=NOW,
    update_time=NOW,
)


def results(*errors: str) -> list[ItemResult]:
    """Items that failed so, or did not where the text is empty."""
    return [ItemResult(f"m{position}", error=error) for position, error in enumerate(errors)]


def test_third_failure_in_a_row_is_told() -> None:
    """Two may be chance; a success starts anew."""
    standing = Standing()
    told = []
    for minute, error in enumerate(["down", "down", "down", "", "down"]):
        standing = judge_poll(standing, PollResult(error), NOW + timedelta(minutes=minute))
        told.append(is_failing(standing))
    assert told == [False, False, True, False, False]
    assert standing == Standing(
        NOW + timedelta(minutes=4), PollStatus.FAILED, "down", success_time=NOW + timedelta(minutes=3), failures_in_row=1
    )


def test_sum_up_of_a_good_poll_has_no_error() -> None:
    """Items without values are answered items."""
    assert sum_up(SOURCE, results("", "", "", "", ""), []) == PollResult()


def test_sum_up_says_once_what_all_items_say() -> None:
    """A server that is away is not told once for each item."""
    assert sum_up(SOURCE, results(*["refused"] * 5), []) == PollResult("refused", frozenset({"m0", "m1", "m2", "m3", "m4"}))


def test_sum_up_names_items_that_failed() -> None:
    """At most three are shown; points that cannot be stored count as failures of their items."""
    error = "items[0] (m0): bad query; items[1] (m1): no points; items[2] (m2): bad query; and 1 more"
    summed = sum_up(SOURCE, results("bad query", "", "bad query", "", "bad query"), [(1, "no points")])
    assert summed == PollResult(error, frozenset({"m0", "m1", "m2", "m4"}))
