"""Rules, entries and the alerts that come of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.service.handling import close
from lumetry_core.alerts.service.listing import PageQuery, list_page
from lumetry_core.logrules.drafts import LogRuleDraft
from lumetry_core.logrules.model import LogRule
from lumetry_core.logrules.service import definitions
from lumetry_core.logrules.worker import LogReader, LogRuleKeeper
from lumetry_core.logs.model import Draft
from lumetry_core.projects.model import Project
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Database
from tests.conftest import FakeClock
from tests.core.logs.building import Send, make_entry, make_error


@dataclass
class World:
    """An organization that pushes entries, and the workers that read them."""

    database: Database
    clock: FakeClock
    caller: Caller
    project: Project
    send: Send
    reader: LogReader
    keeper: LogRuleKeeper

    async def create(self, name: str = "Payments", **fields: Any) -> LogRule:
        async with self.database.write() as tx:
            rule = await definitions.create_rule(tx, self.caller, LogRuleDraft(rule_name=name, **fields), self.clock.now())
        assert rule is not None
        return rule

    async def update(self, rule_id: int, **fields: Any) -> LogRule:
        async with self.database.write() as tx:
            rule = await definitions.update_rule(tx, self.caller, rule_id, LogRuleDraft(**fields), fields.keys(), self.clock.now())
        assert rule is not None
        return rule

    async def delete(self, rule_id: int) -> None:
        async with self.database.write() as tx:
            await definitions.delete_rule(tx, self.caller, rule_id, self.clock.now())

    async def read(self) -> None:
        """Reads everything that is new."""
        while await self.reader.tick(self.clock.now()):
            pass

    async def tell(self, *entries: Draft) -> None:
        """Pushes entries, and reads them."""
        await self.send(*entries)
        await self.read()

    async def pass_time(self, **span: float) -> None:
        """Lets time go by, and ends what has become quiet."""
        self.clock.advance(**span)
        await self.keeper.tick(self.clock.now())

    async def alerts(self) -> Sequence[Alert]:
        """All alerts of rules, oldest first."""
        async with self.database.read() as tx:
            page, _ = await list_page(tx, self.caller, PageQuery(sources=("log",), limit=100))
        return sorted(page, key=lambda alert: alert.id)

    async def close(self, alert_id: int) -> None:
        async with self.database.write() as tx:
            await close(tx, self.caller, alert_id, "seen", self.clock.now())

    def now_seconds(self) -> float:
        """The clock's time as `make_entry` takes it."""
        return (self.clock.moment - FakeClock().moment).total_seconds()

    def failure(self, message: str = "declined", seconds: float | None = None, kind: str = "PaymentError", **fields: Any) -> Draft:
        """An entry with an error, of now."""
        at = self.now_seconds() if seconds is None else seconds
        return make_entry(message, at, 4, **{"error": make_error(type=kind, message=message), **fields})
