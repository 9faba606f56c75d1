"""A gateway in this process in front of a fake core: a real gRPC server whose services answer what a test says."""

import importlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from google.protobuf import descriptor_pool

from gateway.app import running
from gateway.config import Config
from lumetry.access.v1 import access_service_pb2
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.failures import CODE_OF, to_status

GENERATED = Path(__file__).parents[2] / "proto" / "gen"


def generated_services() -> Iterator[tuple[Any, str]]:
    """Every service with the generated module that serves it."""
    for path in sorted(GENERATED.glob("lumetry/*/v1/*_service_pb2_grpc.py")):
        module = importlib.import_module(".".join(path.relative_to(GENERATED).with_suffix("").parts))
        for name in vars(module):
            if name.endswith("Servicer"):
                yield module, name.removesuffix("Servicer")


Context = grpc.aio.ServicerContext[Any, Any]
Answer = Callable[[Any, Context], Any]


@dataclass
class Call:
    """A call that the core received."""

    method: str
    request: Any
    metadata: dict[str, str]


@dataclass
class FakeCore:
    """What the services answer, by the name of the RPC, and what they were asked."""

    answers: dict[str, Any] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    address: str = ""

    def requests(self, method: str) -> list[Any]:
        """The requests of an RPC in order of arrival."""
        return [call.request for call in self.calls if call.method == method]

    def note(self, method: str, request: Any, context: Context) -> None:
        self.calls.append(Call(method, request, dict(context.invocation_metadata() or ())))

    async def answer(self, method: str, request: Any, context: Context) -> Any:
        """Answers with a message, an error, or what a function makes of the request."""
        self.note(method, request, context)
        answer = self.answers.get(method)
        if answer is None:
            answer = default_answer(method, context)
        if callable(answer):
            answer = answer(request, context)
            if isinstance(answer, Awaitable):
                answer = await answer
        if isinstance(answer, LumetryError):
            await fail(context, answer)
        return answer


def default_answer(method: str, context: Context) -> Any:
    if method != "CheckAccess":
        return LumetryError(Reason.INTERNAL, f"the test does not say what {method} answers")
    if "authorization" not in dict(context.invocation_metadata() or ()):
        return LumetryError(Reason.UNAUTHENTICATED, "No usable credential.")
    return access_service_pb2.CheckAccessResponse()


async def fail(context: Context, error: LumetryError) -> None:
    """Ends a call as the core does."""
    details = to_status(error).SerializeToString()
    await context.abort(CODE_OF[error.reason], error.message, (("grpc-status-details-bin", details),))


def find_streams(module: Any, service: str) -> set[str]:
    """The methods of a service that answer with a stream."""
    described = descriptor_pool.Default().FindServiceByName(f"{module.__name__.rpartition('.')[0]}.{service}")
    return {method.name for method in described.methods if method.server_streaming}


def make_servicer(base: type[Any], core: FakeCore, streams: Collection[str]) -> Any:
    """A servicer of generated base whose methods all ask the fake core."""

    def unary(name: str) -> Any:
        async def method(_self: Any, request: Any, context: Context) -> Any:
            return await core.answer(name, request, context)

        return method

    def streaming(name: str) -> Any:
        async def watch(_self: Any, request: Any, context: Context) -> AsyncIterator[Any]:
            core.note(name, request, context)
            answer = core.answers[name]
            if isinstance(answer, LumetryError):
                await fail(context, answer)
            async for event in answer(request, context):
                yield event

        return watch

    names = [name for name in vars(base) if name[0].isupper()]
    methods = {name: streaming(name) if name in streams else unary(name) for name in names}
    return type("Fake", (base,), methods)()


@pytest.fixture
async def core() -> AsyncIterator[FakeCore]:
    fake = FakeCore()
    server = grpc.aio.server()
    for module, service in generated_services():
        getattr(module, f"add_{service}Servicer_to_server")(
            make_servicer(getattr(module, f"{service}Servicer"), fake, find_streams(module, service)), server
        )
    port = server.add_insecure_port("127.0.0.1:0")
    fake.address = f"127.0.0.1:{port}"
    await server.start()
    yield fake
    await server.stop(None)


@pytest.fixture
async def url(core: FakeCore) -> AsyncIterator[str]:
    """Where the gateway serves."""
    async with running(Config(http="127.0.0.1:0", core=core.address)) as address:
        yield f"http://{address}"


@pytest.fixture
async def client(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client without credential."""
    async with aiohttp.ClientSession(url) as session:
        yield session
