from collections.abc import AsyncIterator

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from lumetry.baselines.v1 import baseline_profile_service_pb2 as pb
from lumetry.baselines.v1.baseline_profile_service_pb2_grpc import (
    BaselineProfileServiceStub,
    add_BaselineProfileServiceServicer_to_server,
)
from lumetry_core.baselines.rpc.profiles import BaselineProfileServicer
from lumetry_core.baselines.service.rebuilds import list_rebuilds
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.timestamps import encode_time
from tests.core.baselines.building import VIEWER, add_metrics, authenticate

SERVICE = "lumetry.baselines.v1.BaselineProfileService"


@pytest.fixture
async def stub(database: Database, clock: Clock) -> AsyncIterator[BaselineProfileServiceStub]:
    """A client of a running server."""
    built = build_server(
        "127.0.0.1:0",
        {SERVICE: (add_BaselineProfileServiceServicer_to_server, BaselineProfileServicer(database, clock))},
        read_accesses([SERVICE]),
        authenticate,
        reflect=False,
    )
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as channel:
        yield BaselineProfileServiceStub(channel)
    await built.server.stop(None)


async def test_default_is_there_from_the_first_read_on(stub: BaselineProfileServiceStub, clock: Clock) -> None:
    """Whoever may look sees it, with the same number each time."""
    first = (await stub.ListBaselineProfiles(pb.ListBaselineProfilesRequest(), metadata=VIEWER)).profiles
    assert list(first) == [
        pb.BaselineProfile(
            id=first[0].id,
            definition=pb.BaselineProfileDefinition(name="Default", lookback_days=28, minimum_points=4, time_zone="UTC", is_default=True),
            create_time=encode_time(clock.now()),
            update_time=encode_time(clock.now()),
        )
    ]
    assert (await stub.ListBaselineProfiles(pb.ListBaselineProfilesRequest())).profiles == first
    assert (await stub.GetBaselineProfile(pb.GetBaselineProfileRequest(id=first[0].id))).profile == first[0]


async def test_profile_is_created_replaced_rebuilt_and_deleted(stub: BaselineProfileServiceStub, database: Database, clock: Clock) -> None:
    """Zero is a value that is refused, not one that is left out; what was left out has its default."""
    metrics = await add_metrics(database, clock.now(), "cpu")
    sent = pb.BaselineProfileDefinition(name="Weekly", time_zone="Europe/Berlin")
    created = (await stub.CreateBaselineProfile(pb.CreateBaselineProfileRequest(definition=sent))).profile
    full = pb.BaselineProfileDefinition(name="Weekly", lookback_days=28, minimum_points=4, time_zone="Europe/Berlin", is_default=False)
    assert created.definition == full
    full.minimum_points = 9
    replaced = await stub.UpdateBaselineProfile(pb.UpdateBaselineProfileRequest(id=created.id, definition=full))
    assert replaced.profile.definition == full
    full.lookback_days = 0
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await stub.UpdateBaselineProfile(pb.UpdateBaselineProfileRequest(id=created.id, definition=full))
    details = error_details_pb2.BadRequest()
    assert rpc_status.from_call(failure.value).details[1].Unpack(details)
    assert [violation.field for violation in details.field_violations] == ["lookbackDays"]

    await stub.RebuildBaselines(pb.RebuildBaselinesRequest(profile_id=created.id))
    await stub.RebuildBaselines(pb.RebuildBaselinesRequest(profile_id=created.id, metric_key="cpu", include_violations=True))
    async with database.read() as tx:
        found = await list_rebuilds(tx, 7)
    assert [(each.profile_id, each.metric_id, each.include_violations) for each in found] == [
        (created.id, None, False),
        (created.id, metrics["cpu"], True),
    ]
    await stub.DeleteBaselineProfile(pb.DeleteBaselineProfileRequest(id=created.id))
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await stub.GetBaselineProfile(pb.GetBaselineProfileRequest(id=created.id))
    assert failure.value.code() is grpc.StatusCode.NOT_FOUND


async def test_writes_need_their_permission(stub: BaselineProfileServiceStub) -> None:
    """Who may only look cannot write."""
    for call in (
        stub.CreateBaselineProfile(pb.CreateBaselineProfileRequest(), metadata=VIEWER),
        stub.UpdateBaselineProfile(pb.UpdateBaselineProfileRequest(id=1), metadata=VIEWER),
        stub.DeleteBaselineProfile(pb.DeleteBaselineProfileRequest(id=1), metadata=VIEWER),
        stub.RebuildBaselines(pb.RebuildBaselinesRequest(profile_id=1), metadata=VIEWER),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await call
        assert failure.value.code() is grpc.StatusCode.PERMISSION_DENIED
