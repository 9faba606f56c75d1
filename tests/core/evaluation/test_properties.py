"""What users may rely on, whatever the points: no flapping inside the margin, and the same alerts when points overtake each other."""

from hypothesis import given, settings
from hypothesis import strategies as st

from lumetry_core.evaluation.state import StoredSeries
from lumetry_core.rules.model import AlertLevel, Rule, Severity, ThresholdMode
from tests.core.evaluation.building import level, rule
from tests.core.evaluation.test_bands import NOW, WEEK, dynamic, feed_each, profile
from tests.core.evaluation.world import GRACE_MS, World

SECOND = 1000
MINUTE = 60_000
ONE = [StoredSeries(1, 1, {}, None)]


def margin_level(trigger_count: int, recovery_minutes: int) -> AlertLevel:
    return level(trigger_count=trigger_count, trigger_window_minutes=5, recovery_minutes=recovery_minutes, recovery_upper=8.0)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 600), st.floats(8.01, 12.0)), min_size=1, max_size=80),
    st.integers(1, 3),
    st.integers(0, 10),
    st.lists(st.integers(1, 600), max_size=40),
)
def test_noise_inside_the_margin_alerts_once(
    noise: list[tuple[int, float]], trigger_count: int, recovery_minutes: int, calm: list[int]
) -> None:
    """A value that keeps crossing the limit without getting clear opens at most one alert, which closes at most once, in the calm."""
    world = World({1: [rule(margin_level(trigger_count, recovery_minutes))]}, ONE)
    now = NOW
    for seconds, value in noise:
        now += seconds * SECOND
        world.feed([(1, now, value)])
    assert len(world.alerts) <= 1
    assert all(alert.end is None for alert in world.alerts)
    for seconds in calm:
        now += seconds * SECOND
        world.feed([(1, now, 8.0)])
    assert len(world.alerts) <= 1


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(12.01, 16.0), min_size=1, max_size=40), st.sampled_from([1, 2]))
def test_noise_inside_a_learned_margin_alerts_once(noise: list[float], trigger_count: int) -> None:
    """The same for a band of two deviations around a learned 10 ± 2, with recovery inside one deviation."""
    history = [
        (1, NOW - weeks * WEEK + minute * MINUTE, 12.0 if (minute + weeks) % 2 else 8.0) for weeks in (4, 3, 2, 1) for minute in range(50)
    ]
    levels = (level(trigger_count=trigger_count, trigger_window_minutes=5, recovery_minutes=0, recovery_stddev_multiplier=1.0),)
    world = feed_each(World({1: [dynamic(ThresholdMode.STDDEV, 2.0, *levels)]}, ONE, profile=profile()), history)
    world.feed([(1, NOW + minute * MINUTE, value) for minute, value in enumerate(noise)])
    assert len(world.alerts) <= 1
    assert all(alert.end is None for alert in world.alerts)


EPISODES = st.lists(
    st.tuples(st.integers(1, 12), st.lists(st.sampled_from([9.0, 11.0, 12.0, 21.0, 22.0]), min_size=12, max_size=12)),
    min_size=1,
    max_size=4,
)


def story(episodes: list[tuple[int, list[float]]]) -> list[tuple[int, int, float]]:
    """Stretches of trouble, a point every 20 seconds, each followed by a quarter of an hour of calm."""
    points, now = [(1, NOW, 5.0)], NOW
    for length, values in episodes:
        for value in values[:length]:
            now += 20 * SECOND
            points.append((1, now, value))
        for _ in range(45):
            now += 20 * SECOND
            points.append((1, now, 5.0))
    return points


def of_story() -> Rule:
    return rule(
        level(trigger_count=2, trigger_window_minutes=2, recovery_minutes=5, recovery_upper=8.0),
        level(Severity.CRITICAL, static_upper=20.0, trigger_count=2, trigger_window_minutes=3, recovery_minutes=5),
    )


@settings(max_examples=100, deadline=None)
@given(EPISODES, st.data())
def test_arrival_out_of_order_gives_the_same_alerts(episodes: list[tuple[int, list[float]]], data: st.DataObject) -> None:
    """Points that overtake each other inside the grace period, which is shorter than the quiet period: as many alerts, as severe.

    They open and close at times no farther apart than the grace period. A point that is not clear may not overtake the end of the calm.
    """
    points = story(episodes)
    delays = data.draw(st.lists(st.integers(0, GRACE_MS), min_size=len(points), max_size=len(points)))
    arrivals = sorted((point[1] + delay, place) for place, (point, delay) in enumerate(zip(points, delays, strict=True)))
    ordered = feed_each(World({1: [of_story()]}, ONE), points)
    shuffled = feed_each(World({1: [of_story()]}, ONE), [points[place] for _, place in arrivals])
    assert [alert.rank for alert in shuffled.alerts] == [alert.rank for alert in ordered.alerts]
    for one, other in zip(ordered.alerts, shuffled.alerts, strict=True):
        assert abs(one.start - other.start) <= GRACE_MS
        assert one.end is not None
        assert other.end is not None
        assert abs(one.end - other.end) <= GRACE_MS
