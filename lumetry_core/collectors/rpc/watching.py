"""Streams that tell collectors what to do: their configuration, the wish to rotate the credential, and work."""

from collections.abc import AsyncGenerator

from lumetry.collectors.v1 import collector_service_pb2 as pb
from lumetry_core.collectors.rpc.messages import encode_config
from lumetry_core.collectors.rpc.work import WorkStream
from lumetry_core.collectors.service.watching import look
from lumetry_core.collectors.streams import Stream
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database


async def watch(stream: Stream, work: WorkStream, database: Database, clock: Clock) -> AsyncGenerator[pb.WatchCollectorResponse, None]:
    """The directives of a stream as they become due; the next ones are taken when the collector has read those before.

    Fails with UNAUTHENTICATED once the collector is revoked, and with OVERLOADED when newer streams took the place of this one.
    """
    while True:
        now = clock.now()
        async with database.read() as tx:
            sight = await look(tx, stream, work.given, work.max_outstanding, now)
        stream.credential_time = sight.credential_time
        if sight.collector.config_revision != stream.known_revision:
            stream.known_revision = sight.collector.config_revision
            directive = pb.ConfigDirective(revision=stream.known_revision, config=encode_config(sight.collector.config))
            yield pb.WatchCollectorResponse(config=directive)
        if stream.wants_rotation(now):
            stream.is_told_to_rotate = True
            yield pb.WatchCollectorResponse(rotate=pb.RotateDirective())
        work.given = sight.held
        if sight.has_work:
            for item in await work.take():
                yield pb.WatchCollectorResponse(work=item)
        await stream.wait()
