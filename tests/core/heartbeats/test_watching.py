from dataclasses import replace
from datetime import timedelta

from lumetry_core.heartbeats import machine
from lumetry_core.heartbeats.model import PingKind
from lumetry_core.heartbeats.watching import Watch
from tests.core.heartbeats.building import after, heartbeat, pinged

BRISK = replace(heartbeat(), interval_seconds=60, grace_seconds=0)


def running(until: float = 3600.0) -> Watch:
    """A watch whose rounds succeeded until so many seconds after the start."""
    watch = Watch()
    watch.begin_round(after(days=-1), 0.0)
    watch.end_round(0.0)
    watch.begin_round(after(days=-1, seconds=5), 5.0)
    watch.end_round(until + 86_400.0)
    watch._last = (after(seconds=until), until + 86_400.0)
    return watch


def test_find_judgement_in_peace() -> None:
    """While nothing happened to us, a silence counts from its deadline on."""
    assert running().find_judgement(pinged()) == after(minutes=12)


def test_find_judgement_after_start() -> None:
    """What was due before we started is waited for, as long as the job may be silent but at most two minutes."""
    watch = Watch()
    assert watch.begin_round(after(hours=1), 0.0)
    assert watch.find_judgement(pinged()) == after(hours=1, minutes=2)
    brisk = machine.ping(BRISK, PingKind.SUCCESS, None, None, after(minutes=59, seconds=30)).heartbeat
    assert watch.find_judgement(brisk) == after(minutes=60, seconds=30), "it was due after the start"
    late = machine.ping(BRISK, PingKind.SUCCESS, None, None, after(minutes=58, seconds=30)).heartbeat
    assert watch.find_judgement(late) == after(minutes=61)


def test_find_judgement_of_run_after_start() -> None:
    """A run may have ended while we were away, whatever its interval says."""
    watch = Watch()
    watch.begin_round(after(hours=1), 0.0)
    started = machine.ping(heartbeat(), PingKind.START, None, None, after(minutes=49)).heartbeat
    assert (started.deadline, watch.find_judgement(started)) == (after(minutes=61), after(minutes=62))


def test_find_judgement_after_pause() -> None:
    """Rounds that did not succeed for a while, as without a store, count like a start."""
    watch = running()
    watch.begin_round(after(seconds=3609), 86_400.0 + 3609)
    assert watch.find_judgement(pinged(after(minutes=50))) == after(minutes=62), "a short pause is none"
    watch.begin_round(after(seconds=3700), 86_400.0 + 3700)
    assert watch.find_judgement(pinged(after(minutes=49))) == after(seconds=3820)


def test_find_judgement_after_jump_ahead() -> None:
    """When the clock jumps ahead, deadlines set before move along and those set after do not."""
    watch = running()
    assert not watch.begin_round(after(hours=5), 86_400.0 + 3601)
    jump = timedelta(hours=4) - timedelta(seconds=1)
    before = pinged(after(minutes=59))
    assert watch.find_judgement(before) == after(minutes=71) + jump
    later = pinged(after(hours=5, minutes=1))
    assert watch.find_judgement(later) == after(hours=5, minutes=13)


def test_find_judgement_after_jumps_both_ways() -> None:
    """A clock that jumps ahead and back again leaves no deadline moved."""
    watch = running()
    watch.begin_round(after(hours=5), 86_400.0 + 3601)
    watch.end_round(86_400.0 + 3601)
    assert watch.begin_round(after(seconds=3602), 86_400.0 + 3602)
    assert watch.find_judgement(pinged(after(minutes=59))) == after(minutes=71)


def test_begin_round_with_clock_set_back() -> None:
    """A clock that is set back is told, once, so that deadlines are brought back."""
    watch = running()
    assert watch.begin_round(after(seconds=1), 86_400.0 + 3601)
    assert not watch.begin_round(after(seconds=2), 86_400.0 + 3602)


def test_begin_round_with_clock_steered() -> None:
    """Small steps, as a time service makes them, are none."""
    watch = running()
    assert not watch.begin_round(after(seconds=3602.5), 86_400.0 + 3601)
    assert watch.find_judgement(pinged(after(minutes=59))) == after(minutes=71)
