from collections.abc import AsyncIterator

import pytest

from tests.core.collectors.agent.product_double import GrpcCore, HttpCore


@pytest.fixture(params=["grpc", "http"])
async def core(request: pytest.FixtureRequest) -> AsyncIterator[GrpcCore | HttpCore]:
    """A running product, over each transport."""
    fake = GrpcCore() if request.param == "grpc" else HttpCore()
    await fake.start()
    yield fake
    await fake.go_away()


@pytest.fixture
async def grpc_core() -> AsyncIterator[GrpcCore]:
    """A running product over gRPC."""
    fake = GrpcCore()
    await fake.start()
    yield fake
    await fake.go_away()


@pytest.fixture
async def http_core() -> AsyncIterator[HttpCore]:
    """A running product over HTTP."""
    fake = HttpCore()
    await fake.start()
    yield fake
    await fake.go_away()
