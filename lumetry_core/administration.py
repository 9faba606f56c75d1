"""What operators do from the command line, on the database itself, whether or not a server runs."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from lumetry_core.access.model import NewUser
from lumetry_core.access.service import organizations, tokens, users
from lumetry_core.bootstrap import bootstrap_deployment
from lumetry_core.config import Config
from lumetry_core.runtime.caller import system_caller
from lumetry_core.runtime.clock import SystemClock
from lumetry_core.runtime.database import Database, open_database


@asynccontextmanager
async def open_deployment(config: Config) -> AsyncIterator[Database]:
    """The deployment's database, with its first user."""
    database = open_database(config.effective_database_url, synchronous=config.sqlite_synchronous)
    try:
        await bootstrap_deployment(database, config, SystemClock().now())
        yield database
    finally:
        await database.close()


async def create_token(config: Config, *, name: str, user: str, permissions: Sequence[str] | None) -> str:
    """Makes an API token of a user and gives its secret. Fails with NOT_FOUND, VALIDATION_FAILED."""
    async with open_deployment(config) as database, database.write() as tx:
        owner = await users.find_user_by_name(tx, user)
        _token, secret = await tokens.create_api_token(
            tx,
            system_caller(owner.organization_id),
            owner.id,
            name=name,
            permissions=permissions,
            expire_time=None,
            now=SystemClock().now(),
        )
        return secret


async def create_organization(config: Config, *, name: str) -> int:
    """Makes an organization and gives its number. Fails with VALIDATION_FAILED."""
    async with open_deployment(config) as database, database.write() as tx:
        return (await organizations.create_organization(tx, name, SystemClock().now())).id


async def create_user(config: Config, *, name: str, roles: Sequence[str], organization: str | None, password: str) -> int:
    """Makes a local user and gives its number. Fails with NOT_FOUND, CONFLICT, VALIDATION_FAILED."""
    async with open_deployment(config) as database, database.write() as tx:
        home = await organizations.find_organization(tx, organization)
        new = NewUser(username=name, roles=tuple(roles), password=password)
        return (await users.create_user(tx, system_caller(home.id), new, SystemClock().now())).id
