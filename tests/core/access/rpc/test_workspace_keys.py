from google.protobuf.timestamp_pb2 import Timestamp

from lumetry.access.v1 import access_service_pb2, api_token_service_pb2
from lumetry.access.v1 import workspace_key_service_pb2 as pb
from lumetry_core.access.model import User
from tests.conftest import FakeClock
from tests.core.access.rpc.conftest import Served


async def test_workspace_keys_from_creation_to_revocation(served: Served, admin: User, clock: FakeClock, password: str) -> None:
    """A key is made and ended by a fresh login alone, works until then and lists itself when its scopes say so."""
    boss = await served.log_in("admin", password)
    now, later = (Timestamp(seconds=int(clock.now().timestamp()) + seconds) for seconds in (0, 3600))
    request = pb.CreateWorkspaceKeyRequest(name="ci", scopes=["user:read", "files:write"], expire_time=later)
    reply = await served.keys.CreateWorkspaceKey(request, metadata=boss)
    expected = pb.WorkspaceKey(
        id=reply.key.id,
        name="ci",
        prefix=reply.secret[:12],
        scopes=["files:write", "user:read"],
        create_time=now,
        expire_time=later,
    )
    assert reply.key == expected
    narrow = await served.keys.CreateWorkspaceKey(pb.CreateWorkspaceKeyRequest(name="n", scopes=["logs:read"]), metadata=boss)
    key = served.bearer(reply.secret)
    assert (await served.keys.ListWorkspaceKeys(pb.ListWorkspaceKeysRequest(), metadata=key)).keys == [narrow.key, expected]
    for secret, reason in ((narrow.secret, "PERMISSION_DENIED"), ("alm_test_" + "0" * 48, "UNAUTHENTICATED")):
        call = served.keys.ListWorkspaceKeys(pb.ListWorkspaceKeysRequest(), metadata=served.bearer(secret))
        assert await served.fails(call) == (reason, [])

    api_token = await served.tokens.CreateApiToken(api_token_service_pb2.CreateApiTokenRequest(name="t"), metadata=boss)
    for metadata in (key, served.bearer(api_token.secret)):
        for call in (
            served.keys.CreateWorkspaceKey(request, metadata=metadata),
            served.keys.RevokeWorkspaceKey(pb.RevokeWorkspaceKeyRequest(id=expected.id), metadata=metadata),
        ):
            assert await served.fails(call) == ("INTERACTIVE_ONLY", [])

    clock.advance(minutes=15, milliseconds=1)
    stale = served.keys.RevokeWorkspaceKey(pb.RevokeWorkspaceKeyRequest(id=expected.id), metadata=boss)
    assert await served.fails(stale) == ("STEP_UP_REQUIRED", [])
    boss = await served.log_in("admin", password)
    revoked = (await served.keys.RevokeWorkspaceKey(pb.RevokeWorkspaceKeyRequest(id=expected.id), metadata=boss)).key
    assert revoked.HasField("revoke_time")
    again = served.keys.RevokeWorkspaceKey(pb.RevokeWorkspaceKeyRequest(id=expected.id), metadata=boss)
    assert await served.fails(again) == ("CONFLICT", [])
    assert await served.fails(served.access.GetMe(access_service_pb2.GetMeRequest(), metadata=key)) == ("UNAUTHENTICATED", [])
