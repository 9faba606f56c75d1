"""The files as they are served: the package, and the scripts that know its name and checksum."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from gateway.install.package import build_package

MODES = ("agent", "collector")
SCRIPT = "install.sh"
UNITS = tuple(f"lumetry-{mode}.service" for mode in MODES)
SCRIPT_TYPE = "text/x-shellscript"
PACKAGE_TYPE = "application/zip"


@dataclass(frozen=True, slots=True)
class File:
    """A file to fetch."""

    content: bytes
    media_type: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Installation:
    """Everything that hosts fetch."""

    version: str
    scripts: Mapping[str, File]
    """By name, such as `install-agent.sh`."""
    packages: Mapping[str, File]


@cache
def build_installation() -> Installation:
    """Makes everything; it does not change while the gateway runs. It takes a moment: call it in a thread."""
    package = build_package({name: read_source(name) for name in UNITS})
    template = read_source(SCRIPT).decode()
    scripts = {}
    for mode in MODES:
        filled = {"MODE": mode, "VERSION": package.version, "PACKAGE": package.name, "PACKAGE_SHA256": package.sha256}
        text = template
        for name, value in filled.items():
            text = text.replace(f"@{name}@", value)
        scripts[f"install-{mode}.sh"] = File(text.encode(), SCRIPT_TYPE, hashlib.sha256(text.encode()).hexdigest())
    return Installation(package.version, scripts, {package.name: File(package.content, PACKAGE_TYPE, package.sha256)})


def read_source(name: str) -> bytes:
    """A file of this package."""
    return (resources.files(__package__) / name).read_bytes()
