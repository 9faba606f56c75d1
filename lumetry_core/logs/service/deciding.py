"""Which project entries belong to and how it wants its logs kept, remembered for a few seconds."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from lumetry_core.logs.secret_rules import Options
from lumetry_core.projects.model import LogSettings, Project
from lumetry_core.projects.service import default_project, find_project
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Database

REMEMBERED = timedelta(seconds=2)
"""So long a change of a project's settings may go unnoticed."""
MAX_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Deciding:
    """A project as far as its logs go."""

    project_id: str
    settings: LogSettings

    @property
    def options(self) -> Options:
        """What is scrubbed beyond what always is."""
        return Options(emails=self.settings.scrub_emails, national_ids=self.settings.scrub_national_ids)


class Projects:
    """Finds deciding projects. It opens transactions itself: most pushes need none."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[tuple[int, str], tuple[datetime, Deciding]] = {}

    async def decide(self, caller: Caller, labels: Iterable[str | None], now: datetime) -> dict[str | None, Deciding]:
        """The deciding project for each label: that of the log key, else the one labelled, else the default one."""
        wanted = {label: caller.project_id or label or "" for label in labels}
        found: dict[str, Deciding] = {}
        for name in set(wanted.values()):
            known = self._known.get((caller.organization_id, name))
            found[name] = known[1] if known is not None and now - known[0] < REMEMBERED else await self._find(caller, name, now)
        return {label: found[name] for label, name in wanted.items()}

    async def _find(self, caller: Caller, name: str, now: datetime) -> Deciding:
        project: Project | None = None
        if name:
            async with self._database.read() as tx:
                project = await find_project(tx, caller.organization_id, name)
        if project is None and caller.project_id:
            return Deciding(caller.project_id, LogSettings())  # it has just been deleted, and its keys are about to stop
        if project is None:
            async with self._database.write() as tx:
                project = await default_project(tx, caller.organization_id, now)
        deciding = Deciding(project.id, project.settings.logs)
        if len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        self._known[(caller.organization_id, name)] = (now, deciding)
        return deciding
