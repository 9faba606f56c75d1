"""Options and arguments that the commands share. Imports nothing that takes long."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from lumetry_core.runtime.clock import SystemClock

Command = TypeVar("Command", bound=Callable[..., Any])

LARGEST_ID = 2**53 - 1
LARGEST_LIMIT = 5000
NUMBER = re.compile(r"[0-9]{1,16}", re.ASCII)
INCIDENT_KEY = re.compile(r"INC-[0-9]{1,15}", re.ASCII)
AGO = re.compile(r"([0-9]{1,9})([smhd])", re.ASCII)
UNIT_OF = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
SEVERITIES = ("Warning", "Critical")
ALERT_STATES = ("Open", "Acknowledged", "Closed")
INCIDENT_STATES = ("Open", "Acknowledged", "Resolved")
SOURCE_KINDS = ("MetricRule", "FleetDetector", "External", "Monitor")
TRANSITIONS = ("open", "escalate", "close")
TOPICS = ("alerts", "incidents", "systemAlerts")
CLASSIFICATIONS = ("Resolved", "NoImpact", "FalsePositive", "Duplicate", "Maintenance", "AcceptedRisk", "Transferred")


class Words(click.Choice[str]):
    """A choice of words in any case, shown as the contract spells them."""

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """See `click.ParamType.get_metavar`."""
        return f"[{'|'.join(self.choices)}]"

    def get_invalid_choice_message(self, value: object, ctx: click.Context | None) -> str:
        """See `click.Choice.get_invalid_choice_message`."""
        return f"{value!r} is not one of {', '.join(self.choices)}."


def one_of(words: tuple[str, ...]) -> Words:
    """A choice of words in any case."""
    return Words(words, case_sensitive=False)


@dataclass(frozen=True, slots=True)
class Options:
    """How the server is reached, and how answers are shown."""

    server: str | None
    token: str | None
    data_dir: Path | None
    is_json: bool
    is_utc: bool


@dataclass(frozen=True, slots=True)
class IncidentName:
    """An incident as people name it: by its number or by its key."""

    number: int | None = None
    key: str = ""


class NumberType(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.4
    """Reads the number of a thing."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401 -- as click has it
        """See `click.ParamType.convert`."""
        number = read_number(str(value))
        return self.fail(f"{value!r} is not a number that anything has.", param, ctx) if number is None else number


class IncidentType(click.ParamType):  # type: ignore[type-arg]  # as above
    """Reads `7` or `INC-000007`."""

    name = "incident"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> IncidentName:  # noqa: ANN401 -- as click has it
        """See `click.ParamType.convert`."""
        if isinstance(value, IncidentName):
            return value
        text = str(value).strip().upper()
        if INCIDENT_KEY.fullmatch(text):
            return IncidentName(key=f"INC-{int(text[4:]):06}")
        number = read_number(text)
        if number is None:
            return self.fail(f"{value!r} is neither the number of an incident nor a key such as INC-000001.", param, ctx)
        return IncidentName(number=number)


class MomentType(click.ParamType):  # type: ignore[type-arg]  # as above
    """Reads a time: ISO-8601, or how long ago."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:  # noqa: ANN401 -- as click has it
        """See `click.ParamType.convert`. A time without offset keeps none: which zone is meant depends on another option."""
        if isinstance(value, datetime):
            return value
        text = str(value).strip()
        ago = AGO.fullmatch(text)
        try:
            return SystemClock().now() - timedelta(**{UNIT_OF[ago[2]]: int(ago[1])}) if ago else datetime.fromisoformat(text)
        except (ValueError, OverflowError):
            return self.fail(f"{value!r} is neither a time such as 2026-11-21T10:00 nor an age such as 90m, 2h or 1d.", param, ctx)


def read_number(text: str) -> int | None:
    """A number as things have it; None for anything else."""
    digits = text.strip()
    return int(digits) if NUMBER.fullmatch(digits) and 1 <= int(digits) <= LARGEST_ID else None


ID = NumberType()
INCIDENT = IncidentType()
MOMENT = MomentType()


def settle_zone(moment: datetime | None, *, is_utc: bool) -> datetime | None:
    """A given time in UTC; one without offset is read in the zone in which times are shown.

    Raises:
        click.UsageError: It is outside the calendar there.
    """
    if moment is None:
        return None
    if moment.tzinfo is None and is_utc:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise click.UsageError(f"{moment.isoformat()} is outside the calendar") from error


CLIENT_OPTIONS = (
    click.option(
        "--server",
        envvar="LUMETRY_SERVER",
        metavar="URL",
        help="the core: host:port, grpc://host:port or grpcs://host:port (TLS) [what addresses.json of the data directory says]",
    ),
    click.option("--token", envvar="LUMETRY_TOKEN", help="credential; prefer the variable LUMETRY_TOKEN, as others see arguments"),
    click.option("--data-dir", envvar="LUMETRY_DATA_DIR", type=click.Path(path_type=Path), help="of a server on this machine"),
    click.option("--json", "is_json", is_flag=True, help="as JSON, in the spelling of the HTTP contract"),
    click.option("--utc", "is_utc", is_flag=True, help="times in UTC instead of this machine's zone"),
)


def client_options(command: Command) -> Callable[..., Any]:
    """Adds the options of every command that asks a server; the command gets them as `options`."""

    @wraps(command)
    def with_options(
        *args: Any,  # noqa: ANN401 -- the command's own
        server: str | None,
        token: str | None,
        data_dir: Path | None,
        is_json: bool,
        is_utc: bool,
        **others: Any,  # noqa: ANN401 -- the command's own
    ) -> None:
        command(*args, options=Options(server, token, data_dir, is_json, is_utc), **others)

    decorated: Callable[..., Any] = with_options
    for option in reversed(CLIENT_OPTIONS):
        decorated = option(decorated)
    return decorated


def range_options(command: Command) -> Command:
    """Adds the options of lists that select by time."""
    for option in (
        click.option("--limit", type=click.IntRange(1, LARGEST_LIMIT), default=100, show_default=True, help="so many, the newest"),
        click.option("--to", "to_time", type=MOMENT, help="started then or before"),
        click.option("--from", "from_time", type=MOMENT, help="started then or later; a time, or an age such as 2h"),
    ):
        command = option(command)
    return command
