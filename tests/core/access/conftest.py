"""A deployment with its first administrator, and ways to read what the area wrote."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import Table, select

from lumetry_core.access.model import User
from lumetry_core.access.service.organizations import bootstrap
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import Origin

PASSWORD = "correct horse battery staple"


@pytest.fixture
def password() -> str:
    """The administrator's password."""
    return PASSWORD


@pytest.fixture
async def admin(database: Database, clock: Clock) -> User:
    """The user that bootstrap makes."""
    async with database.write() as tx:
        user = await bootstrap(tx, clock.now(), PASSWORD)
    assert user is not None
    return user


@pytest.fixture
def origin_of() -> Callable[..., Origin]:
    """Makes the origin of a call."""

    def build(secret: str | None = None, address: str = "192.0.2.1") -> Origin:
        return Origin(request_id="request-1", address=address, user_agent="tests", secret=secret)

    return build


Rows = Callable[..., Awaitable[list[dict[str, Any]]]]


@pytest.fixture
def rows(database: Database) -> Rows:
    """Reads these columns of a table, oldest row first."""

    async def read(table: Table, *columns: str) -> list[dict[str, Any]]:
        async with database.read() as tx:
            found = await tx.execute(select(*(table.c[column] for column in columns)).order_by(*table.primary_key.columns))
            return [dict(row) for row in found.mappings()]

    return read
