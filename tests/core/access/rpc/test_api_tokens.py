from google.protobuf.timestamp_pb2 import Timestamp

from lumetry.access.v1 import access_service_pb2
from lumetry.access.v1 import api_token_service_pb2 as pb
from lumetry_core.access.model import User
from lumetry_core.runtime.caller import Permission
from lumetry_core.runtime.clock import Clock
from tests.core.access.rpc.conftest import Served


async def test_api_tokens_from_creation_to_revocation(served: Served, admin: User, clock: Clock, password: str) -> None:
    """A token works until it is revoked, and then at once no more; revoking it again changes nothing."""
    boss = await served.log_in("admin", password)
    now, later = (Timestamp(seconds=int(clock.now().timestamp()) + seconds) for seconds in (0, 60))
    request = pb.CreateApiTokenRequest(name="ci", is_narrowed=True, permissions=["CanViewAlerts"], expire_time=later)
    reply = await served.tokens.CreateApiToken(request, metadata=boss)
    expected = pb.ApiToken(
        id=reply.token.id,
        name="ci",
        prefix=reply.secret[:12],
        user_id=admin.id,
        is_narrowed=True,
        permissions=["CanViewAlerts"],
        effective_permissions=["CanViewAlerts"],
        create_time=now,
        expire_time=later,
    )
    assert reply.token == expected
    whole = (await served.tokens.CreateApiToken(pb.CreateApiTokenRequest(name="all"), metadata=boss)).token
    assert (whole.is_narrowed, list(whole.permissions), len(whole.effective_permissions)) == (False, [], len(Permission))
    token = served.bearer(reply.secret)
    listed = await served.tokens.ListApiTokens(pb.ListApiTokensRequest(), metadata=token)
    assert listed.tokens == [whole, expected]
    for call in (
        served.tokens.CreateApiToken(pb.CreateApiTokenRequest(name="x"), metadata=token),
        served.tokens.RevokeApiToken(pb.RevokeApiTokenRequest(id=whole.id), metadata=token),
    ):
        assert await served.fails(call) == ("INTERACTIVE_ONLY", [])
    expected.revoke_time.CopyFrom(now)
    for _ in range(2):
        revoked = await served.tokens.RevokeApiToken(pb.RevokeApiTokenRequest(id=reply.token.id), metadata=boss)
        assert revoked.token == expected
    assert await served.fails(served.access.GetMe(access_service_pb2.GetMeRequest(), metadata=token)) == ("UNAUTHENTICATED", [])


async def test_create_api_token_with_faults(served: Served, admin: User, password: str) -> None:
    """A subset that is empty is a fault, and so is an end outside the calendar."""
    boss = await served.log_in("admin", password)
    tokens = served.tokens
    assert await served.fails(tokens.CreateApiToken(pb.CreateApiTokenRequest(name="x", is_narrowed=True), metadata=boss)) == (
        "VALIDATION_FAILED",
        ["permissions"],
    )
    request = pb.CreateApiTokenRequest(name="x", expire_time=Timestamp(seconds=2**60))
    assert await served.fails(tokens.CreateApiToken(request, metadata=boss)) == ("OUT_OF_RANGE", ["expiresAt"])
