from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lumetry_core.collectors.agent.timing import Anchor, ServerClock, read_boot_id
from tests.conftest import FakeClock

BOOT = "11111111-2222-3333-4444-555555555555"
OTHER_BOOT = "99999999-2222-3333-4444-555555555555"
SERVER = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)


class Machine:
    """A machine whose clocks go together until one is set."""

    def __init__(self, wall: datetime) -> None:
        self.clock = FakeClock(wall)
        self.steady = 500.0

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds=seconds)
        self.steady += seconds

    def server_clock(self, first: Anchor | None = None, kept: list[Anchor] | None = None, boot: str = BOOT) -> ServerClock:
        anchors = kept if kept is not None else []
        return ServerClock(self.clock, first, anchors.append, lambda: self.steady, boot)


def test_now_is_the_machine_s_until_the_server_has_answered() -> None:
    """Nobody can know better; points of that time carry a stamp."""
    machine = Machine(SERVER - timedelta(hours=2))
    clock = machine.server_clock()
    assert not clock.is_known
    assert clock.now() == SERVER - timedelta(hours=2)
    assert clock.is_correctable(clock.stamp(machine.clock.now()).note)


@pytest.mark.parametrize("off", [timedelta(hours=-2), timedelta(hours=2), timedelta(seconds=-3)])
def test_observe_corrects_a_wrong_clock(off: timedelta) -> None:
    """Half of the round trip counts; later times go on from there, also when the machine's clock is set meanwhile."""
    machine = Machine(SERVER + off)
    clock = machine.server_clock()
    before = clock.stamp(machine.clock.now())
    machine.pass_time(10)
    sent_ms = clock.steady_ms()
    machine.pass_time(0.2)
    clock.observe(sent_ms, SERVER + timedelta(seconds=10.1))
    assert clock.now() == SERVER + timedelta(seconds=10.2)
    assert before.time + clock.shift(before.note) == SERVER
    machine.pass_time(60)
    machine.clock.advance(hours=5)
    assert clock.stamp(machine.clock.now()).note == b""
    assert clock.now() == SERVER + timedelta(seconds=70.2)


def test_observe_leaves_a_good_clock_alone() -> None:
    """Two seconds, and what a slow answer leaves open, are tolerated."""
    machine = Machine(SERVER + timedelta(seconds=2))
    clock = machine.server_clock()
    before = clock.stamp(machine.clock.now())
    clock.observe(clock.steady_ms(), SERVER)
    assert clock.now() == SERVER + timedelta(seconds=2)
    assert clock.shift(before.note) == timedelta(0)
    machine.clock.advance(seconds=5)
    sent_ms = clock.steady_ms()
    machine.steady += 16
    machine.clock.advance(seconds=16)
    clock.observe(sent_ms, SERVER + timedelta(seconds=16))
    assert clock.now() == machine.server_clock(Anchor(BOOT, 500_000, 1_780_308_000_000, 0)).now()


def test_shift_is_the_same_in_every_process_of_a_boot() -> None:
    """The first anchor of a boot is kept: points that travel twice have one time, whatever later answers say."""
    machine = Machine(SERVER - timedelta(hours=2))
    kept: list[Anchor] = []
    clock = machine.server_clock(kept=kept)
    note = clock.stamp(machine.clock.now()).note
    machine.pass_time(30)
    clock.observe(clock.steady_ms(), SERVER + timedelta(seconds=30))
    shift = clock.shift(note)
    clock.observe(clock.steady_ms(), SERVER + timedelta(seconds=30.007))
    assert len(kept) == 1
    assert clock.shift(note) == shift == timedelta(hours=2)
    assert machine.server_clock(kept[0]).shift(note) == shift
    assert machine.server_clock(kept[0]).now() == SERVER + timedelta(seconds=30)


def test_points_of_another_boot_stay_as_they_are() -> None:
    """The steady clock began anew: nobody knows what the machine's clock was worth before."""
    machine = Machine(SERVER - timedelta(hours=2))
    note = machine.server_clock(boot=OTHER_BOOT).stamp(machine.clock.now()).note
    clock = machine.server_clock(first=Anchor(OTHER_BOOT, 0, 0, 0))
    assert not clock.is_known
    clock.observe(clock.steady_ms(), SERVER)
    assert not clock.is_correctable(note)
    assert clock.shift(note) == clock.shift(b"") == timedelta(0)


def test_read_boot_id_never_matches_where_the_system_does_not_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then every process counts as a boot of its own."""
    monkeypatch.setattr("lumetry_core.collectors.agent.timing.BOOT_ID_FILE", tmp_path / "none")
    assert read_boot_id() != read_boot_id()
