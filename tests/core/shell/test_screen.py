import io
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from lumetry_core.shell.screen import Screen, open_screen, spell_seconds, write, write_json
from tests.core.shell.conftest import at


class Terminal(io.TextIOWrapper):
    """Says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def become_terminal(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """Makes standard output a terminal; what is written to it."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", Terminal(written, encoding="utf-8", write_through=True))
    monkeypatch.setenv("COLUMNS", "93")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return written


@pytest.mark.parametrize(
    ("variables", "is_coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)]
)
def test_open_screen_of_a_terminal(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], is_coloured: bool) -> None:
    """Its width counts, and NO_COLOR is respected when it says something."""
    become_terminal(monkeypatch)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    screen = open_screen(is_utc=False)
    assert (screen.width, screen.is_coloured, screen.is_unicode) == (93, is_coloured, True)


def test_open_screen_of_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is cut or coloured; an encoding without marks is noticed."""
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    screen = open_screen(is_utc=True)
    assert (screen.width, screen.is_coloured, screen.is_unicode) == (None, False, False)


def test_write_never_fails_for_want_of_a_character(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the encoding lacks is a question mark in text, and an escape in JSON."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii", write_through=True))
    write(["Süd ✓"])
    write_json({"name": "Süd\x9b"}, is_line=True)
    assert written.getvalue() == b'S?d ?\n{"name": "S\\u00fcd\\u009b"}\n'


def test_write_keeps_colours(monkeypatch: pytest.MonkeyPatch, screen: Screen) -> None:
    """What the screen coloured reaches the terminal."""
    written = become_terminal(monkeypatch)
    write([replace(screen, is_coloured=True).colour("Critical")])
    assert written.getvalue() == b"\x1b[31mCritical\x1b[0m\n"


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine in Berlin."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_times_are_shown_in_the_zone_of_the_machine(berlin: None, screen: Screen) -> None:
    """Or in UTC, and then with `Z`."""
    local = replace(screen, is_utc=False)
    assert [local.moment(at()), local.time_of_day(screen.now), local.since(at(minute=1))] == [
        "2026-06-01 10:00:00",
        "10:05:00",
        "2026-06-01 10:01:00, 4m ago",
    ]
    assert [screen.moment(at()), screen.time_of_day(screen.now)] == ["2026-06-01 08:00:00Z", "08:05:00Z"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "0s"), (0, "0s"), (59, "59s"), (60, "1m"), (3599, "59m"), (3600, "1h00m"), (90_000, "1d01h")]
)
def test_spell_seconds(seconds: int, text: str) -> None:
    """The largest units say enough; clocks may differ."""
    assert spell_seconds(seconds) == text
