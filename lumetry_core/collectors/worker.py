"""Notices collectors whose heartbeats stay away."""

from lumetry_core.collectors.model import Collector
from lumetry_core.collectors.service.presence import find_overdue, tell_offline
from lumetry_core.collectors.silence import SilenceKeeper
from lumetry_core.runtime.database import Database


class CollectorKeeper(SilenceKeeper[Collector]):
    """The keeper of collectors."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, find_overdue, tell_offline)
