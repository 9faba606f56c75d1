import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import click
import pytest

from lumetry_core.shell import options as module
from lumetry_core.shell.options import INCIDENT, MOMENT, IncidentName, settle_zone
from tests.conftest import FakeClock


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("7", IncidentName(number=7)),
        (" 07 ", IncidentName(number=7)),
        ("INC-000007", IncidentName(key="INC-000007")),
        ("inc-7", IncidentName(key="INC-000007")),
        ("INC-1234567", IncidentName(key="INC-1234567")),
    ],
)
def test_incident_is_named_by_number_or_key(text: str, name: IncidentName) -> None:
    """Keys in any case, with or without their zeros."""
    assert INCIDENT.convert(text, None, None) == name


@pytest.mark.parametrize("text", ["", "0", "-1", "x", "INC-", "INC-x", "INC-0000000000000001", "٣", "9007199254740992"])
def test_incident_of_no_name_is_refused(text: str) -> None:
    """The message shows a key."""
    with pytest.raises(click.BadParameter, match="INC-000001"):
        INCIDENT.convert(text, None, None)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine in Berlin, at ten o'clock."""
    monkeypatch.setattr(module, "SystemClock", FakeClock)
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "is_utc", "hour"),
    [
        ("90m", False, 6.5),
        ("2h", True, 6),
        ("2026-06-01T09:00", False, 7),
        ("2026-06-01 09:00", True, 9),
        ("2026-06-01T09:00+03:00", True, 6),
        ("2026-06-01T09:00Z", False, 9),
        ("2026-06-01", True, 0),
    ],
)
def test_moment_is_read_as_it_is_shown(berlin: None, text: str, is_utc: bool, hour: float) -> None:
    """An age, or a time in the zone in which times are shown unless it names another."""
    expected = datetime(2026, 6, 1, int(hour), int(hour % 1 * 60), tzinfo=UTC)
    assert settle_zone(MOMENT.convert(text, None, None), is_utc=is_utc) == expected


@pytest.mark.parametrize("text", ["", "now", "5", "5w", "999999999d", "2026-13-01", "0001-01-01"])
def test_moment_that_is_none_is_refused(berlin: None, text: str) -> None:
    """Also one before the calendar begins."""
    with pytest.raises(click.UsageError):
        settle_zone(MOMENT.convert(text, None, None), is_utc=False)


def test_help_does_not_wait_for_grpc() -> None:
    """Whoever asks for help, or runs another command, loads no client."""
    check = "import sys, lumetry_core.cli; print(sorted({'grpc', 'google.protobuf'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout == "[]\n"
