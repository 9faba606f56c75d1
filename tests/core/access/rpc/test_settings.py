"""SettingsService over a real server."""

from collections.abc import AsyncIterator

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty

from lumetry.access.v1 import settings_service_pb2 as pb
from lumetry.access.v1.settings_service_pb2_grpc import SettingsServiceStub, add_SettingsServiceServicer_to_server
from lumetry_core.access.rpc.settings import SettingsServicer
from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses
from tests.core.access.rpc.conftest import Served

SERVICE = "lumetry.access.v1.SettingsService"
DEFAULTS = OrganizationSettings(evaluation_grace_seconds=90, incidents_auto_resolve_after_minutes=240)
OF_DEPLOYMENT = pb.OrganizationSettings(
    evaluation_grace_seconds=90,
    catalog_stale_after_hours=24,
    fleet_staleness_seconds=180,
    fleet_member_gone_minutes=60,
    correlation_window_minutes=30,
    incidents_reopen_settle_minutes=10,
    incidents_reopen_horizon_minutes=60,
    incidents_persistence_threshold_minutes=120,
    incidents_auto_resolve_after_minutes=240,
    agents_max_series=2000,
)


async def authenticate(origin: Origin) -> Caller:
    """Knows viewers and engineers."""
    may = {Permission.VIEW_ALERTS} if origin.secret == "viewer" else {Permission.VIEW_ALERTS, Permission.MANAGE_RULES}
    return Caller(7, CredentialKind.INTERACTIVE, user_id=1, permissions=frozenset(may))


@pytest.fixture
async def stub(database: Database, clock: Clock) -> AsyncIterator[SettingsServiceStub]:
    """A client of a running server."""
    servicer = SettingsServicer(database, clock, DEFAULTS)
    built = build_server(
        "127.0.0.1:0",
        {SERVICE: (add_SettingsServiceServicer_to_server, servicer)},
        read_accesses([SERVICE]),
        authenticate,
        reflect=False,
    )
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as channel:
        yield SettingsServiceStub(channel)
    await built.server.stop(None)


async def test_settings_are_read_changed_and_unset(stub: SettingsServiceStub) -> None:
    """A value, off and the deployment's default are three things; absent fields stay, zero is a value."""
    viewer, engineer = Served.bearer("viewer"), Served.bearer("engineer")
    assert (await stub.GetSettings(pb.GetSettingsRequest(), metadata=viewer)).settings == OF_DEPLOYMENT
    change = pb.SettingsChange(evaluation_grace_seconds=0, agents_max_series=100, incidents_auto_resolve_off=Empty())
    changed = (await stub.UpdateSettings(pb.UpdateSettingsRequest(change=change), metadata=engineer)).settings
    expected = pb.OrganizationSettings()
    expected.CopyFrom(OF_DEPLOYMENT)
    expected.MergeFrom(pb.OrganizationSettings(agents_max_series=100))
    expected.evaluation_grace_seconds = 0
    expected.ClearField("incidents_auto_resolve_after_minutes")
    assert changed == expected
    assert (await stub.GetSettings(pb.GetSettingsRequest(), metadata=viewer)).settings == expected
    request = pb.UpdateSettingsRequest(
        change=pb.SettingsChange(incidents_auto_resolve_after_minutes=5), unset=["evaluation.graceSeconds", "agents.maxSeries"]
    )
    expected.CopyFrom(OF_DEPLOYMENT)
    expected.incidents_auto_resolve_after_minutes = 5
    assert (await stub.UpdateSettings(request, metadata=engineer)).settings == expected


async def test_update_settings_is_refused(stub: SettingsServiceStub) -> None:
    """Every fault has the name of its setting; whoever may only look may not change."""
    change = pb.SettingsChange(evaluation_grace_seconds=3601, incidents_auto_resolve_after_minutes=0)
    request = pb.UpdateSettingsRequest(change=change, unset=["fleet.tickSeconds"])
    refused = await Served.fails(stub.UpdateSettings(request, metadata=Served.bearer("engineer")))
    assert refused == ("VALIDATION_FAILED", ["evaluation.graceSeconds", "incidents.autoResolveAfterMinutes", "unset[0]"])
    assert await Served.fails(stub.UpdateSettings(request, metadata=Served.bearer("viewer"))) == ("PERMISSION_DENIED", [])
    assert (await stub.GetSettings(pb.GetSettingsRequest(), metadata=Served.bearer("viewer"))).settings == OF_DEPLOYMENT
