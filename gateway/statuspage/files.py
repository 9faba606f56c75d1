"""The files of the page, with the headers under which they are safe to show."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

ROOT = "/status/static"
MEDIA_TYPES: Mapping[str, str] = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
NAMES = ("page.css", "page.js", "icon.svg")
SAFE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""Nothing inline, nothing of another host, no frame around it."""
PAGE_HEADERS: Mapping[str, str] = {"Content-Type": "text/html; charset=utf-8", "Cache-Control": "max-age=30", **SAFE_HEADERS}


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
    headers = {"Content-Type": MEDIA_TYPES[name.rpartition(".")[2]], "Cache-Control": "max-age=86400", **SAFE_HEADERS}
    return PageFile(body, headers)


@cache
def link_to(name: str) -> str:
    """The address of a file. It changes with the file, so that browsers may keep it."""
    digest = hashlib.sha256(read_file(name).body).hexdigest()[:12]
    return f"{ROOT}/{name}?v={digest}"
