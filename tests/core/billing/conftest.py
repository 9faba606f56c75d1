"""An organization with an administrator."""

import pytest

from lumetry_core.access.service.organizations import bootstrap
from lumetry_core.runtime.database import Database
from tests.conftest import FakeClock


@pytest.fixture
async def organization_id(database: Database, clock: FakeClock) -> int:
    async with database.write() as tx:
        admin = await bootstrap(tx, clock.now(), "correct horse battery staple")
    assert admin is not None
    return admin.organization_id
