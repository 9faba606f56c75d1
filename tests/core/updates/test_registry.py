from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from lumetry_core.runtime.addresses import Policy
from lumetry_core.updates import registry as module
from lumetry_core.updates.registry import Challenge, Registries, RegistryError, build_url, read_challenge
from tests.conftest import FakeClock
from tests.registry_double import RegistryDouble, digest_of

PRIVATE = Policy(allows_private=True, allows_plain=True)
PUBLIC = Policy(allows_private=False, allows_plain=True)


@pytest.fixture
async def client(clock: FakeClock) -> AsyncIterator[Registries]:
    registries = Registries(PRIVATE, clock.now)
    yield registries
    await registries.close()


async def refusal(registries: Registries, host: str, repository: str = "acme/api") -> RegistryError:
    """How listing tags fails."""
    with pytest.raises(RegistryError) as caught:
        await registries.list_tags(host, repository)
    return caught.value


async def test_list_tags_with_a_token(client: Registries, registry: RegistryDouble, clock: FakeClock) -> None:
    """Tags come in pages; one anonymous token from another host opens all of them, and a new one is fetched when it is over."""
    registry.push("acme/api", *(f"1.{number}" for number in range(25)))
    registry.page_size = 10
    tags = await client.list_tags(registry.host, "acme/api")
    assert sorted(tags) == sorted(f"1.{number}" for number in range(25))
    assert [path for _, path in registry.requests] == [
        "/v2/acme/api/tags/list?n=1000",
        "/v2/acme/api/tags/list?last=1.17&n=10",
        "/v2/acme/api/tags/list?last=1.4&n=10",
    ]
    assert registry.token_requests == [{"service": "double", "scope": "repository:acme/api:pull"}]
    clock.advance(minutes=10)
    await client.list_tags(registry.host, "acme/api")
    assert len(registry.token_requests) == 2


async def test_list_tags_without_a_token(client: Registries, registry: RegistryDouble) -> None:
    """A registry that wants no token is asked without one; a repository without tags has none."""
    registry.wants_token = False
    registry.repositories["acme/empty"] = {}
    assert await client.list_tags(registry.host, "acme/empty") == []
    assert registry.token_requests == []


async def test_take_a_token_by_its_other_name(client: Registries, registry: RegistryDouble) -> None:
    """Some services call the token `access_token`; a challenge without a scope is answered with the usual one."""
    registry.token_key = "access_token"
    registry.challenge = f'Bearer realm="{registry.token_url}"'
    registry.push("acme/api", "1")
    assert await client.list_tags(registry.host, "acme/api") == ["1"]
    assert registry.token_requests == [{"scope": "repository:acme/api:pull"}]


async def test_read_a_digest(client: Registries, registry: RegistryDouble) -> None:
    """The digest comes from the head of the manifest, and where that does not tell it from the manifest."""
    registry.push("acme/api", "1.0")
    assert await client.read_digest(registry.host, "acme/api", "1.0") == digest_of("acme/api:1.0")
    assert [method for method, _ in registry.requests] == ["HEAD"]
    registry.tells_digest_on_head = False
    assert await client.read_digest(registry.host, "acme/api", "1.0") == digest_of("acme/api:1.0")
    assert [method for method, _ in registry.requests] == ["HEAD", "HEAD", "GET"]


async def test_follow_redirects_without_the_token(client: Registries, registry: RegistryDouble) -> None:
    """A redirect to another host is followed, and that host does not get the token; a loop ends."""
    registry.push("acme/api", "1.0")
    registry.redirects["acme/api"] = registry.token_url.removesuffix("/token") + "{path}"
    assert await client.read_digest(registry.host, "acme/api", "1.0") == digest_of("acme/api:1.0")
    assert registry.credentials == [None]
    registry.redirects["acme/api"] = "{path}"
    with pytest.raises(RegistryError, match="redirects more than 3 times"):
        await client.read_digest(registry.host, "acme/api", "1.0")


@pytest.mark.parametrize(
    ("fault", "message", "is_limited"),
    [
        ((401, {}), "refuses access to acme/api", False),
        ((403, {}), "refuses access to acme/api", False),
        ((404, {}), "does not know acme/api", False),
        ((429, {"Retry-After": "120"}), "takes no more requests now, try again in 120 s", True),
        ((429, {"Retry-After": "soon"}), "takes no more requests now", True),
        ((500, {}), "answered with status 500", False),
    ],
)
async def test_tell_refusals(
    client: Registries, registry: RegistryDouble, fault: tuple[int, dict[str, str]], message: str, is_limited: bool
) -> None:
    """Each refusal is told in words, and one for too many requests is marked."""
    registry.faults["acme/api"] = fault
    error = await refusal(client, registry.host)
    assert (error.message, error.is_limited) == (f"{registry.host} {message}", is_limited)


async def test_tell_refused_tokens(client: Registries, registry: RegistryDouble) -> None:
    """A token service that refuses, a login by password, and a challenge that leads nowhere end in a refusal."""
    registry.push("acme/api", "1")
    registry.faults["token"] = (403, {})
    assert (await refusal(client, registry.host)).message == f"{registry.host} refuses access to acme/api"
    registry.challenge = 'Basic realm="x"'
    assert (await refusal(client, registry.host)).message == f"{registry.host} wants a login for acme/api"
    registry.challenge = 'Bearer realm="ftp://x/y"'
    assert (await refusal(client, registry.host)).message == f"{registry.host} names no usable token service"
    registry.challenge = 'Bearer realm="http://169.254.169.254/latest"'
    assert "it is a metadata address" in (await refusal(client, registry.host)).message


async def test_refuse_bad_lists(client: Registries, registry: RegistryDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no list, is too large, or has pages without end is refused; a page somewhere else is not followed."""
    registry.push("acme/api", "1", "2")
    registry.bodies["acme/api"] = b"<html>"
    assert "something else than the distribution API" in (await refusal(client, registry.host)).message
    monkeypatch.setattr(module, "MAX_ANSWER_BYTES", 100)
    small = Registries(PRIVATE, client._now)
    registry.bodies["acme/api"] = b'{"tags":["' + b"1" * 200 + b'"]}'
    assert "more than 100 bytes" in (await refusal(small, registry.host)).message
    await small.close()
    registry.bodies["acme/api"] = b'{"tags":["1"]}'
    registry.links["acme/api"] = '</v2/other/tags/list?n=1>; rel="next"'
    assert await client.list_tags(registry.host, "acme/api") == ["1"]
    del registry.bodies["acme/api"]
    registry.links["acme/api"] = '</v2/acme/api/tags/list?last=1&n=1000>; rel="next"'
    monkeypatch.setattr(module, "MAX_TAGS", 2)
    assert "lists more than 2 tags" in (await refusal(client, registry.host)).message


async def test_refuse_private_registries_when_told_to(registry: RegistryDouble, clock: FakeClock) -> None:
    """With private addresses switched off a registry on this host is not asked."""
    registries = Registries(PUBLIC, clock.now)
    assert "it is a loopback address" in (await refusal(registries, registry.host)).message
    assert registry.requests == []
    await registries.close()


async def test_tell_a_registry_that_is_away(client: Registries) -> None:
    """A registry that cannot be reached is told with its name."""
    assert (await refusal(client, "127.0.0.1:1")).message == "127.0.0.1:1: the connection was refused"


def test_read_challenges() -> None:
    """Challenges are read as servers write them; other schemes are none."""
    header = 'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push"'
    assert read_challenge(header) == Challenge("https://auth.example/token", "registry.example", "repository:a/b:pull,push")
    assert read_challenge("bearer realm=https://a/t, service=s") == Challenge("https://a/t", "s", "")
    assert [read_challenge(text) for text in ("", "Basic realm=x", "Bearer", 'Bearer service="s"')] == [None] * 4


def test_build_addresses() -> None:
    """Docker's registry has a host of its own; only this host is asked without encryption."""
    assert [str(build_url(host, "a/tags/list")) for host in ("docker.io", "ghcr.io", "localhost:5000", "[::1]:5", "10.0.0.1")] == [
        "https://registry-1.docker.io/v2/a/tags/list",
        "https://ghcr.io/v2/a/tags/list",
        "http://localhost:5000/v2/a/tags/list",
        "http://[::1]:5/v2/a/tags/list",
        "https://10.0.0.1/v2/a/tags/list",
    ]


async def test_keep_tokens_no_longer_than_an_hour(client: Registries, registry: RegistryDouble, clock: FakeClock) -> None:
    """However long a service says that a token holds, it is asked again after an hour at the latest."""
    registry.push("acme/api", "1")
    await client.list_tags(registry.host, "acme/api")
    clock.moment += timedelta(hours=2)
    await client.list_tags(registry.host, "acme/api")
    assert len(registry.token_requests) == 2
