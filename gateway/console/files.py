"""The files of the pages, with the headers under which they are safe to show."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

MEDIA_TYPES: Mapping[str, str] = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
}
SAFE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
"""Nothing inline, nothing of another host, no frame around it."""


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file as it is served."""

    body: bytes
    headers: Mapping[str, str]

    @property
    def media_type(self) -> str:
        """Its type without parameters."""
        return self.headers["Content-Type"].partition(";")[0]


@cache
def read_file(name: str) -> PageFile:
    """A file of this package; it does not change while the gateway runs."""
    body = (resources.files(__package__) / name).read_bytes()
    return PageFile(body, {"Content-Type": MEDIA_TYPES[name.rpartition(".")[2]], **SAFE_HEADERS})
