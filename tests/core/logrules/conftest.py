"""A world with log alert rules: entries are pushed, read and counted as the workers do it."""

import pytest

from lumetry_core.logrules.worker import LogReader, LogRuleKeeper
from lumetry_core.projects.model import Project
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Database
from tests.conftest import FakeClock
from tests.core.logrules.world import World
from tests.core.logs.building import Send
from tests.core.logs.conftest import appender, caller, organization_id, project, send

__all__ = ["appender", "caller", "organization_id", "project", "send"]


@pytest.fixture
def world(database: Database, clock: FakeClock, caller: Caller, project: Project, send: Send, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("lumetry_core.logrules.worker.PAUSE_SECONDS", 0.0)
    return World(database, clock, caller, project, send, LogReader(database), LogRuleKeeper(database))
