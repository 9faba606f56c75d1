"""A registry in this process that speaks the distribution API: tags in pages, manifests, tokens from a service of their own, and faults."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

INDEX = "application/vnd.oci.image.index.v1+json"


def digest_of(text: str) -> str:
    """A digest that stands for what a tag means."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


@dataclass
class RegistryDouble:
    """What the registry has and how it behaves; a test changes it as it goes."""

    repositories: dict[str, dict[str, str]] = field(default_factory=dict)
    """Digest by tag, by repository."""
    wants_token: bool = True
    page_size: int = 1000
    """It gives no larger pages whatever is asked."""
    faults: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    """Status and headers instead of an answer, by repository; `token` is the token service."""
    bodies: dict[str, bytes] = field(default_factory=dict)
    """Another body of the list of tags, by repository."""
    links: dict[str, str] = field(default_factory=dict)
    """Another `Link` header, by repository."""
    redirects: dict[str, str] = field(default_factory=dict)
    """Where manifests of a repository redirect to; `{path}` stands for the path that was asked."""
    tells_digest_on_head: bool = True
    challenge: str = ""
    """Another `WWW-Authenticate` header."""
    token_key: str = "token"
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Method and path with query of everything that was asked of the API, but for what only lacked a token."""
    token_requests: list[dict[str, str]] = field(default_factory=list)
    credentials: list[str | None] = field(default_factory=list)
    """The `Authorization` of every request to a mirror."""
    host: str = ""
    token_url: str = ""

    def push(self, repository: str, *tags: str, content: str = "") -> None:
        """Gives tags a meaning: by default each its own."""
        stored = self.repositories.setdefault(repository, {})
        for tag in tags:
            stored[tag] = digest_of(content or f"{repository}:{tag}")

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """The API."""
        repository, _, last = request.match_info["path"].rpartition("/")
        repository = repository.removesuffix("/manifests").removesuffix("/tags")
        if self.wants_token and request.headers.get("Authorization") != f"Bearer token-of-{repository}":
            challenge = self.challenge or f'Bearer realm="{self.token_url}",service="double",scope="repository:{repository}:pull"'
            return web.json_response({"errors": [{"code": "UNAUTHORIZED"}]}, status=401, headers={"WWW-Authenticate": challenge})
        self.requests.append((request.method, request.path_qs))
        if repository in self.faults:
            status, headers = self.faults[repository]
            return web.json_response({"errors": [{"code": "DENIED"}]}, status=status, headers=headers)
        if repository not in self.repositories:
            return web.json_response({"errors": [{"code": "NAME_UNKNOWN"}]}, status=404)
        if request.path.endswith("/tags/list"):
            return self._list(request, repository)
        return self._manifest(request, repository, last)

    def _list(self, request: web.Request, repository: str) -> web.Response:
        if repository in self.bodies:
            return web.Response(body=self.bodies[repository], content_type="application/json")
        size = min(int(request.query.get("n", self.page_size)), self.page_size)
        tags = [tag for tag in sorted(self.repositories[repository]) if tag > request.query.get("last", "")]
        headers = {}
        if len(tags) > size:
            headers["Link"] = f'</v2/{repository}/tags/list?last={tags[size - 1]}&n={size}>; rel="next"'
        if repository in self.links:
            headers["Link"] = self.links[repository]
        return web.json_response({"name": repository, "tags": tags[:size] or None}, headers=headers)

    def _manifest(self, request: web.Request, repository: str, tag: str) -> web.Response:
        if repository in self.redirects:
            location = self.redirects[repository].format(path=request.path)
            return web.Response(status=307, headers={"Location": location})
        digest = self.repositories[repository].get(tag)
        if digest is None or INDEX not in request.headers.get("Accept", ""):
            return web.json_response({"errors": [{"code": "MANIFEST_UNKNOWN"}]}, status=404)
        told = request.method == "GET" or self.tells_digest_on_head
        return web.Response(body=b"{}", content_type=INDEX, headers={"Docker-Content-Digest": digest} if told else {})

    async def mirror(self, request: web.Request) -> web.Response:
        """Another host that has the manifests."""
        self.credentials.append(request.headers.get("Authorization"))
        repository, tag = request.match_info["path"].split("/manifests/")
        return web.Response(headers={"Docker-Content-Digest": self.repositories[repository][tag]}, content_type=INDEX)

    async def give_token(self, request: web.Request) -> web.Response:
        """The token service, on a host of its own."""
        self.token_requests.append(dict(request.query))
        if "token" in self.faults:
            status, headers = self.faults["token"]
            return web.Response(status=status, headers=headers)
        repository = request.query.get("scope", "::").split(":")[1]
        return web.json_response({self.token_key: f"token-of-{repository}", "expires_in": 300})


@asynccontextmanager
async def run_registry() -> AsyncIterator[RegistryDouble]:
    """A registry on a free port of this host, and its token service on another."""
    double = RegistryDouble()
    runners = []
    try:
        for routes in (
            [web.get("/token", double.give_token), web.get("/v2/{path:.+}", double.mirror)],
            [web.get("/v2/{path:.+}", double.answer)],
        ):
            app = web.Application()
            app.add_routes(routes)
            runner = web.AppRunner(app)
            await runner.setup()
            runners.append(runner)
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            if not double.token_url:
                double.token_url = f"http://{host}:{port}/token"
            double.host = f"{host}:{port}"
        yield double
    finally:
        for runner in runners:
            await runner.cleanup()
