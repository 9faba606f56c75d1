"""Which pages of other origins may read answers (contract monitoring 1.7)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

ANY = "*"


@dataclass(frozen=True, slots=True)
class CrossOrigin:
    """What browsers are told. Credentials of the browser itself are never allowed."""

    origins: Sequence[str]
    """Such as `https://ops.example.com`, or `*` alone; empty: none."""
    methods: Sequence[str]
    headers: Sequence[str]

    def find_headers(self, http: web.BaseRequest) -> Mapping[str, str]:
        """What every answer says."""
        if not self.origins:
            return {}
        if ANY in self.origins:
            return {"Access-Control-Allow-Origin": ANY}
        origin = http.headers.get("Origin", "")
        allowed = {"Access-Control-Allow-Origin": origin} if origin in self.origins else {}
        return {"Vary": "Origin", **allowed}

    def answer_preflight(self, http: web.BaseRequest) -> web.Response | None:
        """The answer to a question beforehand; None: the request is another one, or nobody is allowed to ask."""
        if http.method != "OPTIONS" or not self.origins:
            return None
        said = {
            "Access-Control-Allow-Methods": ", ".join(self.methods),
            "Access-Control-Allow-Headers": ", ".join(self.headers),
            "Access-Control-Max-Age": "600",
        }
        return web.Response(status=204, headers={**self.find_headers(http), **said})


NOBODY = CrossOrigin((), (), ())
