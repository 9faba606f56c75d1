"""What the demo needs in the database before the server runs. Repeating it changes nothing that is still good."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path

import msgspec

from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.access.service.organizations import FIRST_USERNAME
from lumetry_core.access.service.tokens import create_api_token
from lumetry_core.access.service.users import find_user_by_name
from lumetry_core.collectors.model import Status
from lumetry_core.collectors.service.administering import create, list_collectors, renew_enrollment_token
from lumetry_core.runtime.caller import system_caller
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError
from lumetry_core.runtime.interceptors import Origin

COLLECTOR_NAME = "this host"
TOKEN_NAME = "demo"  # noqa: S105 -- the name of a token


@dataclass(frozen=True, slots=True)
class Seed:
    """What the demo goes on with. Without an enrollment token the collector has its credential already."""

    api_token: str
    enrollment_token: str | None


def collector_folder(data_dir: Path) -> Path:
    """The state directory of the demo's collector."""
    return data_dir / "collector"


def token_file(data_dir: Path) -> Path:
    """Where the demo keeps its API token, readable by the owner alone."""
    return data_dir / "demo-token"


async def seed(database: Database, clock: Clock, data_dir: Path) -> Seed:
    """Gives the first user an API token and the organization a collector. Fails with NOT_FOUND without a first user."""
    now = clock.now()
    async with database.read() as tx:
        admin = await find_user_by_name(tx, FIRST_USERNAME)
    api_token = await known_token(database, clock, data_dir)
    if api_token is None:
        api_token = await make_token(database, admin.organization_id, admin.id, now)
        write_private(token_file(data_dir), api_token)
    enrollment_token = await prepare_collector(database, admin.organization_id, collector_folder(data_dir), now)
    return Seed(api_token, enrollment_token)


async def known_token(database: Database, clock: Clock, data_dir: Path) -> str | None:
    """The token of an earlier run, if this database still takes it."""
    try:
        token = token_file(data_dir).read_text().strip()
    except FileNotFoundError:
        return None
    try:
        await Authenticator(database, clock)(Origin(request_id=TOKEN_NAME, address=None, user_agent=None, secret=token))
    except LumetryError:
        return None
    return token


async def make_token(database: Database, organization_id: int, user_id: int, now: datetime) -> str:
    """A token that may do whatever its owner may."""
    async with database.write() as tx:
        _, secret = await create_api_token(
            tx, system_caller(organization_id), user_id, name=TOKEN_NAME, permissions=None, expire_time=None, now=now
        )
    return secret


async def prepare_collector(database: Database, organization_id: int, folder: Path, now: datetime) -> str | None:
    """A token that enrolls the collector of this host; None when its state directory holds a good credential.

    A collector whose state directory is gone cannot enroll again, so another one takes its place under the next free name.
    """
    caller = system_caller(organization_id)
    enrolled_id = read_collector_id(folder)
    async with database.write() as tx:
        known = await list_collectors(tx, organization_id)
        if any(collector.id == enrolled_id and collector.status not in (Status.PENDING, Status.REVOKED) for collector in known):
            return None
        names = {collector.name for collector in known if collector.status is not Status.PENDING}
        name = next(name for name in candidates() if name not in names)
        waiting = next((collector for collector in known if collector.name == name), None)
        if waiting is not None:
            return (await renew_enrollment_token(tx, caller, waiting.id, now)).enrollment_token
        return (await create(tx, caller, name, now)).enrollment_token


def candidates() -> Iterator[str]:
    """Names for the collector of this host, one after another."""
    yield COLLECTOR_NAME
    for number in count(2):
        yield f"{COLLECTOR_NAME} {number}"


def read_collector_id(folder: Path) -> str | None:
    """The collector that a state directory has the credential of."""
    try:
        return str(msgspec.json.decode((folder / "credential.json").read_bytes(), type=dict[str, str | int])["collector_id"])
    except (FileNotFoundError, KeyError, msgspec.DecodeError):
        return None


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
