"""What the output can show, and times and words as it shows them."""

import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TextIO

import click
from google.protobuf.timestamp_pb2 import Timestamp

from lumetry_core.runtime.clock import SystemClock, truncate
from lumetry_core.shell.text import ASCII_ELLIPSIS, ELLIPSIS, escape_json, neutralise

NOTHING = "-"
COLOURS: Mapping[str, str] = {
    "Critical": "red",
    "Warning": "yellow",
    "Open": "bright_red",
    "Acknowledged": "cyan",
    "Closed": "green",
    "Resolved": "green",
    "Paged": "green",
    "PartlyPaged": "yellow",
    "NotPaged": "yellow",
    "Passed": "green",
    "Blocked": "red",
    "Held": "yellow",
}
"""Colours of words."""
MINUTE, HOUR, DAY = 60, 3600, 86_400


@dataclass(frozen=True, slots=True)
class Screen:
    """What the output can show."""

    width: int | None
    """Columns of the terminal; None: it is not one, and nothing is cut."""
    is_coloured: bool
    is_unicode: bool
    """Whether more than ASCII can be written."""
    is_utc: bool
    """Whether times are shown in UTC instead of the zone of this machine."""
    now: datetime

    @property
    def ellipsis(self) -> str:
        """What stands for text that is cut off."""
        return ELLIPSIS if self.is_unicode else ASCII_ELLIPSIS

    def colour(self, word: str, text: str | None = None) -> str:
        """A word, or a text in the colour of a word."""
        shown = word if text is None else text
        return click.style(shown, fg=COLOURS[word]) if self.is_coloured and word in COLOURS else shown

    def strong(self, text: str) -> str:
        """A text that leads."""
        return click.style(text, bold=True) if self.is_coloured else text

    def faint(self, text: str) -> str:
        """A text that stands back."""
        return click.style(text, dim=True) if self.is_coloured else text

    def moment(self, time: Timestamp) -> str:
        """A time in the zone of this machine, or in UTC with `Z`."""
        moment = as_datetime(time)
        return f"{moment:%Y-%m-%d %H:%M:%SZ}" if self.is_utc else f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"

    def time_of_day(self, moment: datetime) -> str:
        """The time of day of what happens now."""
        return f"{moment:%H:%M:%SZ}" if self.is_utc else f"{moment.astimezone():%H:%M:%S}"

    def age(self, time: Timestamp) -> str:
        """How long ago a time is."""
        return spell_seconds(int((self.now - as_datetime(time)).total_seconds()))

    def since(self, time: Timestamp) -> str:
        """A time and how long ago it is."""
        return f"{self.moment(time)}, {self.age(time)} ago"


def open_screen(*, is_utc: bool) -> Screen:
    """The screen that standard output is."""
    is_terminal = sys.stdout.isatty()
    return Screen(
        width=shutil.get_terminal_size().columns if is_terminal else None,
        is_coloured=is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb",
        is_unicode=can_write(sys.stdout, "✓…→"),
        is_utc=is_utc,
        now=SystemClock().now(),
    )


def can_write(stream: TextIO, text: str) -> bool:
    """Whether a stream's encoding has the characters of a text."""
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def write(lines: Iterable[str]) -> None:
    """Writes lines to standard output; what its encoding lacks becomes a question mark."""
    text = "".join(f"{line}\n" for line in lines)
    encoding = sys.stdout.encoding or "ascii"
    click.echo(text.encode(encoding, "replace").decode(encoding), nl=False, color=True)


def write_json(document: Any, *, is_line: bool = False) -> None:  # noqa: ANN401 -- whatever JSON can say
    """Writes a JSON document to standard output, as one line or indented."""
    is_ascii = not can_write(sys.stdout, "ü✓…→")
    click.echo(escape_json(json.dumps(document, indent=None if is_line else 2, ensure_ascii=is_ascii)))


def note(text: str) -> None:
    """Tells the user something that is no result, on standard error."""
    click.echo(text, err=True)


def show(text: str) -> str:
    """Somebody else's text as one safe line; a hyphen when there is none."""
    return neutralise(text).strip() or NOTHING


def as_datetime(time: Timestamp) -> datetime:
    """A protobuf time as an aware one."""
    return truncate(time.ToDatetime(UTC))


def spell_seconds(seconds: int) -> str:
    """A duration in its one or two largest units; none is negative, as clocks may differ."""
    seconds = max(seconds, 0)
    if seconds < MINUTE:
        return f"{seconds}s"
    if seconds < HOUR:
        return f"{seconds // MINUTE}m"
    if seconds < DAY:
        return f"{seconds // HOUR}h{seconds % HOUR // MINUTE:02}m"
    return f"{seconds // DAY}d{seconds % DAY // HOUR:02}h"
