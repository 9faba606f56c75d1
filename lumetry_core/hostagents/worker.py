"""Notices host agents whose heartbeats stay away."""

from lumetry_core.collectors.silence import SilenceKeeper
from lumetry_core.hostagents.model import HostAgent
from lumetry_core.hostagents.service.presence import find_overdue, tell_offline
from lumetry_core.runtime.database import Database


class HostAgentKeeper(SilenceKeeper[HostAgent]):
    """The keeper of host agents."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, find_overdue, tell_offline)
