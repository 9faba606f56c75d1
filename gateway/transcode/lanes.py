"""Sending batches of points to the core: per credential, a few calls at a time; what waits meanwhile shares the next call.

A call costs about as much as two thousand points, so many small requests are accepted several times faster together. Each keeps its
own answer. A credential gets its lane once the core let it in, so strangers cannot make the gateway remember anything.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.transcode.channel import Core, find_rpc
from gateway.transcode.credentials import Metadata
from gateway.transcode.failures import Failure, Reason
from gateway.transcode.series import Columns, Definition, SeriesBook
from lumetry.metrics.v1 import ingestion_service_pb2

INGEST_COLUMNS = find_rpc(ingestion_service_pb2.DESCRIPTOR, "IngestionService", "IngestColumns")

MAX_CALLS = 3
"""Calls under way per credential; what arrives meanwhile shares the next one."""
MAX_CALL_POINTS = 100_000
MAX_WAITING_POINTS = 2_000_000
MAX_LANES = 4096
MAX_DEFINITIONS = 10_000
"""Definitions per call; they stay far below the core's message limit."""
MAX_DEFINITION_BYTES = 8 * 1024 * 1024
MAX_RENEWALS = 3
DEADLINE_SECONDS = 30.0
TOGETHER = frozenset({Reason.VALIDATION_FAILED, Reason.OUT_OF_RANGE, Reason.RATE_LIMITED})
"""Failures that batches may not have each for itself."""
LOST_CREDENTIAL = frozenset({Reason.UNAUTHENTICATED, Reason.PERMISSION_DENIED, Reason.INTERACTIVE_ONLY})

Result = ingestion_service_pb2.ColumnBatchResult


@dataclass(slots=True, eq=False)
class Waiting:
    """A batch on its way."""

    columns: Columns
    metadata: Metadata
    result: asyncio.Future[Result]


@dataclass(slots=True)
class Lane:
    """The batches of one credential."""

    waiting: deque[Waiting] = field(default_factory=deque)
    calls: int = 0

    def take(self) -> list[Waiting]:
        """The batches of the next call: at least one, in order of arrival."""
        taken = [self.waiting.popleft()]
        points = len(taken[0].columns)
        while self.waiting and points + len(self.waiting[0].columns) <= MAX_CALL_POINTS:
            taken.append(self.waiting.popleft())
            points += len(taken[-1].columns)
        return taken


class Ingestor:
    """Sends points of all clients."""

    def __init__(self, core: Core, book: SeriesBook) -> None:
        self.book = book
        self._core = core
        self._lanes: OrderedDict[str, Lane] = OrderedDict()
        self._waiting_points = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def admit(self, metadata: Metadata) -> None:
        """Lets a credential in, asking the core the first time.

        Raises:
            Failure: The credential may not ingest.
        """
        credential = credential_of(metadata)
        if credential not in self._lanes:
            await self._core.check_access(INGEST_COLUMNS, metadata, charged=False)
            self._lanes.setdefault(credential, Lane())
            self._forget_idle()
        self._lanes.move_to_end(credential)

    async def submit(self, columns: Columns, metadata: Metadata) -> Result:
        """Sends a batch of an admitted credential and waits until it is durable.

        Returns:
            The accepted batch, or the faults for which it was rejected.

        Raises:
            Failure: Nothing of it was accepted.
        """
        if self._waiting_points + len(columns) > MAX_WAITING_POINTS:
            raise Failure(Reason.OVERLOADED, "Too many points wait; try again.")
        lane = self._lanes.setdefault(credential_of(metadata), Lane())
        waiting = Waiting(columns, metadata, asyncio.get_running_loop().create_future())
        lane.waiting.append(waiting)
        self._waiting_points += len(columns)
        self._start_calls(lane)
        return await waiting.result

    async def validate(self, columns: Columns, metadata: Metadata) -> Result:
        """Learns what the core finds wrong with a batch; nothing is stored."""
        return (await self._send([columns], metadata, validate_only=True))[0]

    def _start_calls(self, lane: Lane) -> None:
        while lane.waiting and lane.calls < MAX_CALLS:
            taken = lane.take()
            lane.calls += 1
            task = asyncio.get_running_loop().create_task(self._serve(lane, taken))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, lane: Lane, taken: Sequence[Waiting]) -> None:
        try:
            await self._answer(taken)
        except asyncio.CancelledError:
            for waiting in taken:
                waiting.result.cancel()
            raise
        except Exception as error:  # noqa: BLE001 -- each waiting request raises it and is answered by its handler
            for waiting in taken:
                if not waiting.result.done():
                    waiting.result.set_exception(error)
        finally:
            self._waiting_points -= sum(len(waiting.columns) for waiting in taken)
            lane.calls -= 1
            self._start_calls(lane)

    async def _answer(self, taken: Sequence[Waiting]) -> None:
        metadata = taken[0].metadata
        try:
            results = await self._send([waiting.columns for waiting in taken], metadata)
        except Failure as failure:
            if failure.reason in LOST_CREDENTIAL:
                self._lanes.pop(credential_of(metadata), None)
            if failure.reason not in TOGETHER or len(taken) == 1:
                raise
            for waiting in taken:  # one of them made the whole call unusable, or all are too many; the others must not suffer
                await self._answer_alone(waiting)
            return
        for waiting, result in zip(taken, results, strict=True):
            if not waiting.result.done():
                waiting.result.set_result(result)

    async def _answer_alone(self, waiting: Waiting) -> None:
        try:
            await self._answer([waiting])
        except Failure as failure:
            if not waiting.result.done():
                waiting.result.set_exception(failure)

    async def _send(self, batches: Sequence[Columns], metadata: Metadata, *, validate_only: bool = False) -> Sequence[Result]:
        for _ in range(MAX_RENEWALS):
            dictionary = self.book.current
            moved = [columns.under(dictionary) for columns in batches]
            try:
                return await self._call(moved, metadata, validate_only=validate_only)
            except Failure as failure:
                if failure.reason is not Reason.UNKNOWN_DICTIONARY:
                    raise
                self.book.renew(dictionary)
        raise Failure(Reason.STORE_UNAVAILABLE, "The service is starting; try again.")

    async def _call(self, batches: Sequence[Columns], metadata: Metadata, *, validate_only: bool) -> Sequence[Result]:
        """Makes the call; definitions that are too many for one message go ahead of it."""
        dictionary = batches[0].dictionary
        needed = 1 + max(int(columns.numbers.max()) for columns in batches)
        start = dictionary.acknowledged
        while (end := end_of_message(dictionary.definitions, start, needed)) < needed:
            ahead = ingestion_service_pb2.IngestColumnsRequest(
                dictionary_id=dictionary.id,
                series=dictionary.messages(start, end),
                series_indexes=np.array([start], "<u4").tobytes(),
                times=batches[0].times[:1].tobytes(),
                values=batches[0].values[:1].tobytes(),
                batch_sizes=[1],
                validate_only=True,
            )
            try:
                await self._core.call(INGEST_COLUMNS, ahead, metadata, timeout=DEADLINE_SECONDS)
            except Failure as failure:
                if failure.reason is not Reason.VALIDATION_FAILED:  # the point is none of ours, the definitions arrived
                    raise
            dictionary.acknowledged = max(dictionary.acknowledged, end)
            start = end
        request = ingestion_service_pb2.IngestColumnsRequest(
            dictionary_id=dictionary.id,
            series=dictionary.messages(start, needed),
            series_indexes=join([columns.numbers for columns in batches]),
            times=join([columns.times for columns in batches]),
            values=join([columns.values for columns in batches]),
            batch_sizes=[len(columns) for columns in batches],
            validate_only=validate_only,
        )
        try:
            reply = await self._core.call(INGEST_COLUMNS, request, metadata, timeout=DEADLINE_SECONDS)
        except Failure as failure:
            if failure.reason is Reason.VALIDATION_FAILED:
                dictionary.acknowledged = max(dictionary.acknowledged, needed)
            raise
        dictionary.acknowledged = max(dictionary.acknowledged, needed)
        if len(reply.results) != len(batches):
            raise Failure(Reason.INTERNAL, "The core answered another number of batches.")
        return list(reply.results)

    def _forget_idle(self) -> None:
        while len(self._lanes) > MAX_LANES:
            credential, lane = self._lanes.popitem(last=False)
            if lane.calls:
                self._lanes[credential] = lane
                return

    async def drain(self) -> None:
        """Waits until nothing is on its way."""
        while self._tasks:
            await asyncio.wait(self._tasks)


def end_of_message(definitions: Sequence[Definition], start: int, needed: int) -> int:
    """The first definition that does not fit into a message with those from `start` on; at least one fits."""
    end, size = start, 0
    while end < needed and end - start < MAX_DEFINITIONS and size < MAX_DEFINITION_BYTES:
        size += len(definitions[end].key[0]) + len(definitions[end].key[1])
        end += 1
    return end


def credential_of(metadata: Metadata) -> str:
    """The credential of a request; empty when it has none."""
    return next((value for key, value in metadata if key == "authorization"), "")


def join(columns: Sequence[npt.NDArray[Any]]) -> bytes:
    """The bytes of columns one after another."""
    return columns[0].tobytes() if len(columns) == 1 else np.concatenate(columns).tobytes()
