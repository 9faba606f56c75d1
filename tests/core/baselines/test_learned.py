from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumetry_core.baselines.learned import Learned
from lumetry_core.baselines.statistics import Statistics, of_points
from lumetry_core.baselines.weeks import MINUTES_PER_WEEK

Point = tuple[int, int, float]
"""Member, absolute minute, value."""
SHIFT = 4321
"""What an absolute minute is more than its minute of the week, as a time zone would have it."""

values = st.floats(-1e6, 1e6).map(lambda value: round(value, 2))
any_values = st.floats(allow_nan=False, allow_infinity=False, width=64)
minutes_near = st.one_of(
    st.integers(0, 150), st.integers(MINUTES_PER_WEEK - 70, MINUTES_PER_WEEK + 70), st.integers(0, 4 * MINUTES_PER_WEEK)
)


def points_of(numbers: st.SearchStrategy[float]) -> st.SearchStrategy[list[Point]]:
    return st.lists(st.tuples(st.integers(0, 3), minutes_near, numbers), max_size=60)


def learn(learned: Learned, points: Sequence[Point]) -> None:
    absolute = np.array([minute for _, minute, _ in points], np.int64)
    learned.add(
        np.array([member for member, _, _ in points], np.int64),
        (absolute - SHIFT) % MINUTES_PER_WEEK,
        absolute,
        np.array([value for _, _, value in points], np.float64),
    )


def make(points: Sequence[Point] = (), members: int = 4) -> Learned:
    learned = Learned([f"host.id={number}" for number in range(members)])
    learn(learned, points)
    return learned


def dump(learned: Learned) -> dict[int, bytes]:
    """All that was learned, to the bit."""
    return {hour: learned.pack_hour(hour) for hour in sorted(learned.loaded_hours)}


def bits(statistics: Statistics) -> list[bytes]:
    return [column.tobytes() for column in statistics.columns]


def expect(points: Sequence[Point], member: int, minute: int, half: int) -> list[float]:
    """The values that the pool of a minute holds, found one by one."""
    near = {(minute + offset) % MINUTES_PER_WEEK for offset in range(-half, half + 1)}
    return [value for of_member, absolute, value in points if of_member == member and (absolute - SHIFT) % MINUTES_PER_WEEK in near]


def check(found: Statistics, place: int, expected: Sequence[float]) -> None:
    count, mean, deviations, minimum, maximum = (float(column[place]) for column in found.columns)
    if not expected:
        assert (count, mean, deviations, minimum, maximum) == (0, 0, 0, np.inf, -np.inf)
        return
    size = max(abs(value) for value in expected)
    assert count == pytest.approx(len(expected))
    assert mean == pytest.approx(float(np.mean(expected)), rel=1e-9, abs=1e-10 * size)
    assert deviations == pytest.approx(float(np.var(expected)) * len(expected), rel=1e-7, abs=1e-10 * size * size)
    assert (minimum, maximum) == (min(expected), max(expected))


@given(points_of(values), st.integers(0, 3), minutes_near, st.sampled_from([0, 1, 2, 30, 61, 720]))
def test_pool_holds_the_points_around_a_minute(points: list[Point], member: int, minute: int, half: int) -> None:
    """As a list of points for each minute of the week would, around the week's end too; other members do not count."""
    minute %= MINUTES_PER_WEEK
    found = make(points).pool(np.array([member]), np.array([minute]), half)
    check(found, 0, expect(points, member, minute, half))


@given(
    points_of(any_values), st.lists(st.tuples(st.integers(0, 3), minutes_near), min_size=1, max_size=25), st.sampled_from([0, 2, 45, 720])
)
def test_pool_of_a_pair_depends_on_nothing_else(points: list[Point], pairs: list[tuple[int, int]], half: int) -> None:
    """Bit for bit the same, asked for alone or with others, members repeated, minutes near or far."""
    learned = make(points)
    members = np.array([member for member, _ in pairs])
    minutes = np.array([minute % MINUTES_PER_WEEK for _, minute in pairs])
    found = learned.pool(members, minutes, half)
    for place in range(len(pairs)):
        alone = learned.pool(members[place : place + 1], minutes[place : place + 1], half)
        assert bits(found[place : place + 1]) == bits(alone)


@given(points_of(any_values), st.data())
def test_add_does_not_depend_on_the_cutting_into_calls(points: list[Point], data: st.DataObject) -> None:
    """Bit for bit the same, as long as a member's minute lies in one call and calls ascend; members may be ahead of each other."""
    points.sort(key=lambda point: point[1])
    whole = make(points)
    parts = make()
    done = [0] * 4
    latest = max((minute for _, minute, _ in points), default=0) + 1
    while min(done) < latest:
        ends = [data.draw(st.integers(start, latest)) for start in done]
        if ends == done:
            ends = [latest] * 4
        learn(parts, [point for point in points if done[point[0]] <= point[1] < ends[point[0]]])
        done = ends
    assert dump(parts) == dump(whole)


@given(points_of(any_values), st.randoms())
def test_add_does_not_depend_on_the_order_of_minutes_in_a_call(points: list[Point], random: Random) -> None:
    """Only the points of one member and minute need to come in their order."""
    groups: dict[tuple[int, int], list[Point]] = {}
    for point in points:
        groups.setdefault(point[:2], []).append(point)
    shuffled = [point[:2] for point in points]
    random.shuffle(shuffled)
    assert dump(make([groups[group].pop(0) for group in shuffled])) == dump(make(points))


@given(
    st.lists(st.tuples(st.integers(0, 3), minutes_near, st.lists(values, min_size=1, max_size=5)), min_size=1, max_size=10),
    st.sampled_from([5, 60]),
)
def test_add_rollup_spreads_evenly(rollups: list[tuple[int, int, list[float]]], span: int) -> None:
    """Each minute of the span gets its share of the count; pooled over a week, everything is there again."""
    learned = make()
    groups = [group for _, _, group in rollups]
    sizes = [len(group) for group in groups]
    statistics = of_points(np.concatenate(groups), np.cumsum([0, *sizes[:-1]]))
    starts = np.array([minute % MINUTES_PER_WEEK for _, minute, _ in rollups])
    learned.add_rollup(np.array([member for member, _, _ in rollups]), starts, span, statistics)
    for member in range(4):
        expected = [value for of_member, _, group in rollups if of_member == member for value in group]
        halves = [learned.pool(np.array([member]), np.array([minute]), 720) for minute in range(720, MINUTES_PER_WEEK, 1440)]
        total = sum(float(half.counts[0]) for half in halves)
        # windows of 1,441 minutes count their first minute twice
        edges = [learned.pool(np.array([member]), np.array([minute]), 0) for minute in range(0, MINUTES_PER_WEEK, 1440)]
        assert total - sum(float(edge.counts[0]) for edge in edges) == pytest.approx(len(expected))
    last = rollups[-1]
    for minute in {last[1] % MINUTES_PER_WEEK, (last[1] + span - 1) % MINUTES_PER_WEEK}:
        held = [(len(group), group) for member, start, group in rollups if member == last[0] and (minute - start) % MINUTES_PER_WEEK < span]
        found = learned.pool(np.array([last[0]]), np.array([minute]), 0)
        assert found.counts[0] == pytest.approx(sum(count for count, _ in held) / span)
        assert found.minima[0] == min(min(group) for _, group in held)
        assert found.means[0] == pytest.approx(sum(sum(group) for _, group in held) / sum(count for count, _ in held), abs=1e-6)


def test_add_rollup_keeps_the_spread_of_values() -> None:
    """Twelve five-minute buckets of one hour, pooled, deviate as the points that they stand for."""
    source = np.random.default_rng(1).normal(50, 5, 600)
    learned = make()
    statistics = of_points(source, np.arange(0, 600, 50))
    learned.add_rollup(np.zeros(12, np.int64), np.arange(600, 660, 5), 5, statistics)
    found = learned.pool(np.array([0]), np.array([629]), 30)
    assert (found.counts[0], found.means[0]) == (pytest.approx(600), pytest.approx(source.mean()))
    assert found.sigmas[0] == pytest.approx(source.std())


@given(points_of(any_values), points_of(any_values))
def test_hours_survive_the_store(first: list[Point], second: list[Point]) -> None:
    """Packed, dropped and loaded again, then learned into: the same to the bit as never stored."""
    kept = make(first)
    stored = make(first)
    payloads = {hour: stored.pack_hour(hour) for hour in stored.dirty_hours()}
    stored.clean(payloads)
    stored.drop_idle_hours(set())
    assert (stored.loaded_hours, stored.dirty_hours(), stored.stored_hours) == (set(), [], set(payloads))
    for hour in stored.missing_hours(range(168)):
        stored.load_hour(hour, payloads[hour])
    second = [(member, minute + 5 * MINUTES_PER_WEEK, value) for member, minute, value in second]
    learn(kept, second)
    learn(stored, second)
    assert dump(stored) == dump(kept)


def test_hours_in_the_store_must_be_loaded() -> None:
    """Using one that is not is a fault of the program, not an empty answer."""
    learned = make([(0, SHIFT + 60, 1.0), (0, SHIFT + 200, 1.0)])
    learned.clean(learned.dirty_hours())
    learned.drop_idle_hours({1})
    assert learned.missing_hours({0, 1, 2, 3}) == {3}
    assert learned.pool(np.array([0]), np.array([60]), 2).counts.tolist() == [1.0]
    with pytest.raises(RuntimeError, match="hour 3 of the week"):
        learned.pool(np.array([0]), np.array([178]), 2)
    with pytest.raises(RuntimeError, match="hour 3 of the week"):
        learn(learned, [(0, SHIFT + 180, 1.0)])


def test_dirty_hours_stay() -> None:
    """What is not in the store yet is neither dropped nor loaded over."""
    learned = make([(0, SHIFT, 1.0)])
    payload = learned.pack_hour(0)
    learned.drop_idle_hours(set())
    assert learned.loaded_hours == {0}
    with pytest.raises(RuntimeError, match="changed since"):
        learned.load_hour(0, payload)


def test_hours_needed_around_the_week_end() -> None:
    """All hours that a window touches."""
    needed = Learned.hours_needed
    assert needed(np.array([1, 1, 100]), 2) == {167, 0, 1}
    assert needed(np.array([MINUTES_PER_WEEK - 1]), 60) == {166, 167, 0}
    assert needed(np.array([720]), 720) == set(range(25))
    assert needed(np.array([59, 60]), 0) == {0, 1}
    assert needed(np.zeros(0, np.int64), 5) == set()


def test_members_get_numbers_once() -> None:
    """A single metric's member has no key; numbers follow the order of appearance."""
    learned = Learned([None])
    assert [learned.add_member(key) for key in ("a", None, "b", "a")] == [1, 0, 2, 1]
    assert (learned.members, learned.find_member("b"), learned.find_member("c")) == ([None, "a", "b"], 2, None)


def test_members_that_come_later_have_room() -> None:
    """Blocks widen when they are used; what was learned stays."""
    learned = make([(0, SHIFT, 1.0)], members=1)
    for number in range(1, 30):
        learned.add_member(f"host.id={number}")
    assert learned.pool(np.array([0, 29]), np.array([0, 0]), 2).counts.tolist() == [1.0, 0.0]
    learn(learned, [(29, SHIFT, 5.0)])
    assert learned.pool(np.array([0, 29]), np.array([0, 0]), 2).means.tolist() == [1.0, 5.0]


def test_members_that_are_unknown_are_refused() -> None:
    """Rather than counted for another one."""
    learned = make()
    for member in (4, -1):
        with pytest.raises(IndexError, match="not known"):
            learn(learned, [(member, 0, 1.0)])
        with pytest.raises(IndexError, match="not known"):
            learned.pool(np.array([member]), np.array([0]), 2)


def test_fork_is_independent() -> None:
    """It learns without changing the original, and only in its hours."""
    learned = make([(0, SHIFT, 1.0), (0, SHIFT + 600, 2.0)])
    before = dump(learned)
    fork = learned.fork({0, 1})
    learn(fork, [(1, SHIFT, 7.0), (1, SHIFT + 60, 7.0)])
    assert dump(learned) == before
    assert fork.pool(np.array([0, 1]), np.array([0, 0]), 0).means.tolist() == [1.0, 7.0]
    with pytest.raises(RuntimeError, match="hour 10 of the week"):
        fork.pool(np.array([0]), np.array([600]), 0)


@settings(max_examples=50)
@given(points_of(any_values), points_of(any_values), st.integers(0, 2**32), st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_replace_buckets_takes_the_chosen_ones(first: list[Point], second: list[Point], seed: int, share: float) -> None:
    """Chosen minutes are as in the other one, all others stay."""
    mask = np.random.default_rng(seed).random(MINUTES_PER_WEEK) < share
    mask[: 60 * 24] ^= np.repeat(np.random.default_rng(seed).random(24) < 0.5, 60)
    learned, other = make(first), make(second)
    other.add_member("later")
    expected_from = (make(first), make(second))
    learned.replace_buckets(mask, other)
    assert learned.members == other.members
    minutes = np.unique([(minute - SHIFT) % MINUTES_PER_WEEK for _, minute, _ in [*first, *second]] + [0])
    for member in range(4):
        members = np.full(len(minutes), member)
        found = learned.pool(members, minutes, 0)
        before, after = (source.pool(members, minutes, 0) for source in expected_from)
        for place, minute in enumerate(minutes.tolist()):
            assert bits(found[place : place + 1]) == bits((after if mask[minute] else before)[place : place + 1])


def test_replace_buckets_of_whole_hours_needs_them_not_loaded() -> None:
    """What is replaced altogether need not be known; what is kept in part does."""
    learned = make([(0, SHIFT, 1.0), (0, SHIFT + 60, 2.0)])
    learned.clean([0, 1])
    learned.drop_idle_hours(set())
    mask = np.zeros(MINUTES_PER_WEEK, bool)
    mask[:60] = True
    learned.replace_buckets(mask, make())
    assert (learned.dirty_hours(), learned.missing_hours({0, 1})) == ([0], {1})
    assert learned.pool(np.array([0]), np.array([0]), 0).counts.tolist() == [0.0]
    mask[60] = True
    with pytest.raises(RuntimeError, match="hour 1 of the week"):
        learned.replace_buckets(mask, make())


def test_byte_count_is_of_hours_in_use() -> None:
    """An hour takes 2,400 bytes for each member, others nothing."""
    assert (make().byte_count, make([(0, SHIFT, 1.0)]).byte_count) == (0, 4 * 2400)
