"""Whose turn it is."""

from dataclasses import dataclass

from lumetry_core.metricsources.fairness import choose


@dataclass(frozen=True)
class One:
    """What waits."""

    organization_id: int


def test_choose_takes_turns_of_organizations() -> None:
    """An organization with many sources keeps no other waiting, even when all of its sources have waited longer."""
    waiting = [One(1)] * 5 + [One(2)] * 2
    assert choose(waiting, {}, 4, 10) == [0, 5, 1, 6]


def test_choose_counts_what_runs_already() -> None:
    """Who has much at work waits for those who have less."""
    assert choose([One(1), One(1), One(2)], {1: 2}, 2, 10) == [2, 0]


def test_choose_leaves_room_for_others() -> None:
    """One organization never takes all there is, even alone."""
    assert choose([One(1)] * 5, {1: 1}, 10, 3) == [0, 1]


def test_choose_without_room_takes_nothing() -> None:
    """Nothing begins while everything is at work."""
    assert choose([One(1)], {}, 0, 3) == []
