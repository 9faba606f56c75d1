"""What operators do from the command line, on the database itself, whether or not a server runs."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from lumetry_core.access.model import ApiToken, NewUser, Organization, User
from lumetry_core.access.service import log_keys, organizations, tokens, users, workspace_keys
from lumetry_core.baselines.calendars import read_calendar
from lumetry_core.baselines.drafts import CalendarDraft
from lumetry_core.baselines.model import Exclusion
from lumetry_core.baselines.service.holidays import import_public_holidays
from lumetry_core.baselines.service.profiles import settle_default
from lumetry_core.bootstrap import bootstrap_deployment
from lumetry_core.config import Config
from lumetry_core.evaluation.model import JobReceipt
from lumetry_core.evaluation.service import jobs
from lumetry_core.inquiries import service as inquiries
from lumetry_core.inquiries.model import Inquiry
from lumetry_core.projects import service as projects
from lumetry_core.projects.model import DEFAULT_SLUG
from lumetry_core.runtime.caller import Caller, system_caller
from lumetry_core.runtime.clock import SystemClock
from lumetry_core.runtime.database import Database, open_database
from lumetry_core.runtime.errors import not_found
from lumetry_core.runtime.paging import MAX_PAGE_SIZE


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


async def create_log_key(config: Config, *, name: str, user: str, project: str) -> str:
    """Makes a log key of a project, given by slug or id, in the organization of a user, and gives its secret.

    Fails with NOT_FOUND, VALIDATION_FAILED, DUPLICATE_NAME.
    """
    now = SystemClock().now()
    async with open_deployment(config) as database, database.write() as tx:
        organization_id = (await users.find_user_by_name(tx, user)).organization_id
        found = await projects.find_project(tx, organization_id, project)
        if found is None and project == DEFAULT_SLUG:
            found = await projects.default_project(tx, organization_id, now)
        if found is None:
            raise not_found("Project", project)
        _key, secret = await log_keys.create_log_key(
            tx, system_caller(organization_id), name=name, project_id=found.id, environment="", access="", expire_time=None, now=now
        )
        return secret


async def create_workspace_key(config: Config, *, name: str, user: str, scopes: Sequence[str]) -> str:
    """Makes a workspace key of a user and gives its secret. Fails with NOT_FOUND, VALIDATION_FAILED, CONFLICT."""
    async with open_deployment(config) as database, database.write() as tx:
        owner = await users.find_user_by_name(tx, user)
        _key, secret = await workspace_keys.create_workspace_key(
            tx,
            system_caller(owner.organization_id),
            owner.id,
            name=name,
            scopes=scopes,
            expire_time=None,
            production=config.is_production,
            now=SystemClock().now(),
        )
        return secret


async def list_tokens(config: Config, *, user: str) -> list[ApiToken]:
    """The API tokens of a user, dead ones included, newest first. Fails with NOT_FOUND."""
    async with open_deployment(config) as database, database.read() as tx:
        owner = await users.find_user_by_name(tx, user)
        return [listed.token for listed in await tokens.list_api_tokens(tx, caller_of(owner), None)]


async def revoke_token(config: Config, *, user: str, token_id: int) -> None:
    """Ends an API token of a user; servers that run notice within seconds. Fails with NOT_FOUND."""
    async with open_deployment(config) as database, database.write() as tx:
        owner = await users.find_user_by_name(tx, user)
        owned = {listed.token.id for listed in await tokens.list_api_tokens(tx, caller_of(owner), None)}
        if token_id not in owned:
            raise not_found("API token", token_id)
        await tokens.revoke_api_token(tx, system_caller(owner.organization_id), token_id, SystemClock().now())


async def list_users(config: Config, *, organization: str | None) -> list[User]:
    """The users of an organization, by login name. Fails with NOT_FOUND, CONFLICT."""
    async with open_deployment(config) as database, database.read() as tx:
        home = await organizations.find_organization(tx, organization)
        found: list[User] = []
        while True:
            number = len(found) // MAX_PAGE_SIZE + 1
            page, total_count = await users.list_users(tx, system_caller(home.id), "", number, MAX_PAGE_SIZE, is_active=None)
            found += page
            if len(found) >= total_count:
                return found


async def list_organizations(config: Config) -> list[Organization]:
    """All organizations, the oldest first."""
    async with open_deployment(config) as database, database.read() as tx:
        return await organizations.list_organizations(tx)


def caller_of(user: User) -> Caller:
    """A user, on whose behalf the operator acts."""
    return Caller(organization_id=user.organization_id, kind=None, user_id=user.id, user_name=user.username)


async def create_organization(config: Config, *, name: str) -> int:
    """Makes an organization and gives its number. Fails with VALIDATION_FAILED."""
    async with open_deployment(config) as database, database.write() as tx:
        now = SystemClock().now()
        created = await organizations.create_organization(tx, name, now)
        await settle_default(tx, created.id, now)
        return created.id


async def import_holidays(
    config: Config, *, country: str, subdivision: str | None, years: Sequence[int], time_zone: str | None, organization: str | None
) -> list[Exclusion]:
    """Adds the public holidays of a country that an organization does not have yet. Fails with NOT_FOUND, CONFLICT, VALIDATION_FAILED."""
    calendar = read_calendar(CalendarDraft(country=country, subdivision=subdivision, years=tuple(years), time_zone=time_zone))
    async with open_deployment(config) as database, database.write() as tx:
        home = await organizations.find_organization(tx, organization)
        return await import_public_holidays(tx, system_caller(home.id), calendar, SystemClock().now())


async def create_user(config: Config, *, name: str, roles: Sequence[str], organization: str | None, password: str) -> int:
    """Makes a local user and gives its number. Fails with NOT_FOUND, CONFLICT, VALIDATION_FAILED."""
    async with open_deployment(config) as database, database.write() as tx:
        home = await organizations.find_organization(tx, organization)
        new = NewUser(username=name, roles=tuple(roles), password=password)
        return (await users.create_user(tx, system_caller(home.id), new, SystemClock().now())).id


async def list_inquiries(config: Config) -> list[Inquiry]:
    """What was sent through the public form, newest first."""
    async with open_deployment(config) as database, database.read() as tx:
        return await inquiries.list_inquiries(tx)


async def list_failed_jobs(config: Config, *, organization: str | None, limit: int) -> list[JobReceipt]:
    """Evaluation jobs of an organization that were given up, newest first. Fails with NOT_FOUND, CONFLICT, VALIDATION_FAILED."""
    async with open_deployment(config) as database, database.read() as tx:
        home = await organizations.find_organization(tx, organization)
        return await jobs.list_failed(tx, system_caller(home.id), limit)


async def retry_job(config: Config, *, organization: str | None, number: int) -> None:
    """Puts a failed evaluation job of an organization back to the queue. Fails with NOT_FOUND, CONFLICT."""
    async with open_deployment(config) as database, database.write() as tx:
        home = await organizations.find_organization(tx, organization)
        await jobs.retry_job(tx, system_caller(home.id), number, SystemClock().now())


async def retry_all_jobs(config: Config, *, organization: str | None) -> tuple[int, int]:
    """Puts all failed evaluation jobs of an organization back to the queue: how many, and how many are past help.

    Fails with NOT_FOUND, CONFLICT.
    """
    async with open_deployment(config) as database, database.write() as tx:
        home = await organizations.find_organization(tx, organization)
        return await jobs.retry_all(tx, system_caller(home.id), SystemClock().now())
