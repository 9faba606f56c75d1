import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner, Result
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_status import rpc_status

from lumetry.alerts.v1 import alert_service_pb2_grpc
from lumetry.incidents.v1 import event_service_pb2_grpc, incident_service_pb2_grpc
from lumetry_core.cli import main
from lumetry_core.runtime.errors import LumetryError
from lumetry_core.runtime.failures import to_status
from lumetry_core.shell.screen import Screen

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
Answer = Callable[[Any], Message]
Run = Callable[..., Awaitable[Result]]


def at(**span: int) -> Timestamp:
    """A time of the first of June 2026, 8 o'clock unless told otherwise."""
    time = Timestamp()
    time.FromDatetime(NOW.replace(**span))
    return time


@dataclass
class FakeCore:
    """Answers as it is told, and remembers what it was asked with the right credential."""

    answers: dict[str, Answer | LumetryError | grpc.StatusCode] = field(default_factory=dict)
    """By RPC; another one is not known."""
    asked: list[Message] = field(default_factory=list)
    address: str = ""

    def __getattr__(self, name: str) -> Any:
        """The RPC of this name."""

        async def serve(request: Any, context: Any) -> Message:
            assert dict(context.invocation_metadata())["authorization"] == "Bearer secret"
            self.asked.append(request)
            answer = self.answers.get(name, grpc.StatusCode.UNIMPLEMENTED)
            if isinstance(answer, LumetryError):
                await context.abort_with_status(rpc_status.to_status(to_status(answer)))
            if isinstance(answer, grpc.StatusCode):
                await context.abort(answer, "The transport says no.")
            return answer(request)  # type: ignore[operator,no-any-return]

        return serve


@pytest.fixture
async def core() -> AsyncIterator[FakeCore]:
    """A running server."""
    fake = FakeCore()
    server = grpc.aio.server()
    for add in (
        alert_service_pb2_grpc.add_AlertServiceServicer_to_server,
        incident_service_pb2_grpc.add_IncidentServiceServicer_to_server,
        event_service_pb2_grpc.add_EventServiceServicer_to_server,
    ):
        add(fake, server)  # type: ignore[arg-type]
    fake.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    yield fake
    await server.stop(None)


@pytest.fixture
def run(core: FakeCore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs `lumetry` in an empty folder, in a thread, so that the server of the test can answer it."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("LUMETRY_")]:
        monkeypatch.delenv(name)

    async def invoke(*arguments: str, stdin: str | None = None, **environ: str) -> Result:
        options = {"LUMETRY_SERVER": core.address, "LUMETRY_TOKEN": "secret", **environ}
        return await asyncio.to_thread(lambda: CliRunner().invoke(main, arguments, input=stdin, env=options))

    return invoke


@pytest.fixture
def screen() -> Screen:
    """A pipe: nothing is cut or coloured; it is five minutes past eight."""
    return Screen(width=None, is_coloured=False, is_unicode=True, is_utc=True, now=NOW.replace(minute=5))
