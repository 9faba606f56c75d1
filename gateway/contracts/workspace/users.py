"""The caller and the organization, read only (contract workspace 10)."""

from collections.abc import Mapping, Sequence

import msgspec

from gateway.contracts.workspace.values import Items, Success, Time, identity_of
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.access.v1 import access_service_pb2 as pb
from lumetry.access.v1 import permission_pb2

CREDENTIAL_TYPES: Mapping[int, str] = {
    permission_pb2.CREDENTIAL_KIND_INTERACTIVE: "access_token",
    permission_pb2.CREDENTIAL_KIND_API_TOKEN: "api_token",
    permission_pb2.CREDENTIAL_KIND_WORKSPACE_KEY: "api_key",
}
RANKS = ("Admin", "Engineer", "Operator", "Ingest")
"""Built-in roles, the mightiest first."""
NAME_OF_PERMISSION = {
    number: "".join(word.capitalize() for word in name.removeprefix("PERMISSION_").split("_"))
    for name, number in permission_pb2.Permission.items()
}
TIME_ZONE = "UTC"
"""Users have no time zone of their own yet."""


class Credential(msgspec.Struct, rename="camel"):
    """What the caller presented."""

    type: str
    id: str | None
    scopes: list[str]


class User(msgspec.Struct, rename="camel"):
    """The user behind a credential, and what the credential may do."""

    id: str
    lumetry_user_id: int
    username: str
    email: str
    display_name: str
    avatar: str | None
    timezone: str
    org_id: str
    org_slug: str
    roles: list[str]
    permissions: list[str]
    credential: Credential
    created_at: Time


class Org(msgspec.Struct, rename="camel"):
    """An organization."""

    id: str
    slug: str
    name: str
    plan: str
    member_count: int
    created_at: Time


class OwnOrg(Org, rename="camel"):
    """An organization of the caller's."""

    role: str | None


def decode_user(_request: Request) -> pb.GetMeRequest:
    """10 `GET /user`, `GET /auth/me`, `GET /orgs/my`."""
    return pb.GetMeRequest()


def encode_user(reply: pb.GetMeResponse, _asked: object) -> Success[User]:
    """10 the caller."""
    user, organization, credential = reply.user, reply.organization, reply.credential
    return Success(
        User(
            id=identity_of("user", user.id),
            lumetry_user_id=user.id,
            username=user.username,
            email=user.email,
            display_name=user.display_name or user.username,
            avatar=None,
            timezone=TIME_ZONE,
            org_id=identity_of("organization", organization.id),
            org_slug=organization.slug,
            roles=list(user.roles),
            permissions=[NAME_OF_PERMISSION[number] for number in reply.permissions],
            credential=Credential(type=CREDENTIAL_TYPES[credential.kind], id=credential.id or None, scopes=list(credential.scopes)),
            created_at=format_time(user.create_time),
        )
    )


def encode_own_organizations(reply: pb.GetMeResponse, _asked: object) -> Success[Items[OwnOrg]]:
    """10 the caller's organizations: a user belongs to one."""
    organization = encode_org(reply.organization)
    return Success(Items([OwnOrg(**msgspec.structs.asdict(organization), role=mightiest(reply.user.roles))]))


def mightiest(roles: Sequence[str]) -> str | None:
    """The role that tells most about a member; None without any."""
    return min(roles, key=lambda role: (RANKS.index(role) if role in RANKS else len(RANKS), role), default=None)


def decode_organization(request: Request) -> pb.GetOrganizationRequest:
    """10 `GET /orgs/{slug}`."""
    return pb.GetOrganizationRequest(slug=request.key("slug"))


def encode_organization(reply: pb.GetOrganizationResponse, _asked: object) -> Success[Org]:
    """10 the organization."""
    return Success(encode_org(reply.organization))


def encode_org(organization: pb.Organization) -> Org:
    """10 one organization."""
    return Org(
        id=identity_of("organization", organization.id),
        slug=organization.slug,
        name=organization.name,
        plan="community",
        member_count=organization.member_count,
        created_at=format_time(organization.create_time),
    )
