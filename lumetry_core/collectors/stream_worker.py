"""Finds what streams were not woken for, such as when a notification between processes was lost."""

from collections import defaultdict
from datetime import datetime

from lumetry_core.collectors.service.watching import glimpse
from lumetry_core.collectors.streams import Streams
from lumetry_core.runtime.database import Database


class StreamKeeper:
    """One look for all streams of the process, which costs two questions instead of several for each stream."""

    def __init__(self, database: Database, streams: Streams) -> None:
        self._database = database
        self._streams = streams

    async def tick(self, now: datetime) -> bool:
        """Wakes the streams that lack something. Never says that there is more to do."""
        collector_ids: dict[int, set[str]] = defaultdict(set)
        for stream in self._streams.list_open():
            collector_ids[stream.caller.organization_id].add(stream.collector_id)
        if not collector_ids:
            return False
        async with self._database.read() as tx:
            seen = {number: await glimpse(tx, number, ids, now) for number, ids in collector_ids.items()}
        for stream in self._streams.list_open():
            if stream.lacks(seen.get(stream.caller.organization_id, {}).get(stream.collector_id), now):
                stream.wake()
        return False
