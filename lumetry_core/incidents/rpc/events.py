"""`lumetry.incidents.v1.EventService`."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any

import grpc
import msgspec
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message

from lumetry.incidents.v1 import event_service_pb2 as pb
from lumetry.incidents.v1 import event_service_pb2_grpc
from lumetry_core.alerts.model import Alert, SystemAlert
from lumetry_core.incidents.model import Incident
from lumetry_core.incidents.rpc.encoding import encode_incident
from lumetry_core.incidents.rpc.feed import read_feed
from lumetry_core.runtime.caller import Permission
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Faults, LumetryError, Reason
from lumetry_core.runtime.events import Event, channel
from lumetry_core.runtime.interceptors import STARTED, Authenticate, Origin, current_caller, current_origin
from lumetry_core.runtime.queue import Wakeups

MODEL_OF: Mapping[str, type[Any]] = {"alerts": Alert, "incidents": Incident, "systemAlerts": SystemAlert}
"""What the events of each topic carry."""
CHECK_INTERVAL = timedelta(seconds=5)

Context = grpc.aio.ServicerContext[Any, Any]


class EventServicer(event_service_pb2_grpc.EventServiceServicer):
    """Streams what changes."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        wakeups: Wakeups,
        authenticate: Authenticate,
        encoders: Mapping[str, Callable[[Any], Message]],
    ) -> None:
        """Builds the servicer.

        Args:
            authenticate: Tells, every few seconds, whether the credential still stands.
            encoders: How the area of alerts encodes the models of the topics `alerts` and `systemAlerts`.
        """
        self._database = database
        self._clock = clock
        self._wakeups = wakeups
        self._authenticate = authenticate
        self._encoders: dict[str, Callable[[Any], Message]] = {
            **encoders,
            "incidents": lambda incident: encode_incident(incident, clock.now()),
        }
        self._decoders = {topic: msgspec.msgpack.Decoder(model) for topic, model in MODEL_OF.items()}

    async def WatchEvents(self, request: pb.WatchEventsRequest, context: Context) -> AsyncIterator[pb.WatchEventsResponse]:
        """See the proto. The initial metadata is sent once the stream misses nothing any more."""
        caller = current_caller()
        topics = check_topics(request.topics)
        after_id = request.after_id if request.HasField("after_id") else None
        check = CredentialCheck(self._authenticate, self._clock, current_origin())
        with self._wakeups.subscribe(channel(caller.organization_id)) as subscription:
            pages = read_feed(self._database, caller.organization_id, topics, after_id, subscription, check)
            async with aclosing(pages):
                page = await anext(pages)
                await context.send_initial_metadata(STARTED)
                while True:
                    for event in page:
                        yield self._encode(event)
                    page = await anext(pages)

    def _encode(self, event: Event) -> pb.WatchEventsResponse:
        response = pb.WatchEventsResponse(id=event.id, event=event.kind)
        if event.subject:
            subject = AnyMessage()
            subject.Pack(self._encoders[event.topic](self._decoders[event.topic].decode(event.subject)))
            response.subject.CopyFrom(subject)
        return response


class CredentialCheck:
    """Fails with UNAUTHENTICATED or PERMISSION_DENIED once the stream's credential has ended; looks at most every few seconds."""

    def __init__(self, authenticate: Authenticate, clock: Clock, origin: Origin) -> None:
        self._authenticate = authenticate
        self._clock = clock
        self._origin = origin
        self._next_time: datetime = clock.now() + CHECK_INTERVAL

    async def __call__(self) -> None:
        """Looks when it is time to."""
        now = self._clock.now()
        if now < self._next_time:
            return
        self._next_time = now + CHECK_INTERVAL
        caller = await self._authenticate(self._origin)
        if not caller.may(Permission.VIEW_ALERTS):
            name = Permission.VIEW_ALERTS.value
            raise LumetryError(Reason.PERMISSION_DENIED, f"The permission {name} is missing.", permission=name)


def check_topics(given: Iterable[str]) -> list[str]:
    """The topics of a request, all when it names none. Fails with VALIDATION_FAILED (`topics`)."""
    topics = list(given) or list(MODEL_OF)
    faults = Faults()
    for topic in topics:
        faults.check(topic in MODEL_OF, "topics", f"must be among {', '.join(MODEL_OF)}")
    faults.raise_if_any()
    return topics
