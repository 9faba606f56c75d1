"""The package that hosts install: a wheel of what the collector consists of, made from the files of this very installation.

The same files give the same bytes, whoever makes it and whenever, so that its checksum names its content.
"""

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

PRODUCT = "lumetry"
NAME = "lumetry-collector"
MODULE_NAME = NAME.replace("-", "_")
ENTRY_POINT = "lumetry_core.collectors.agent.command:run_command"
PYTHON = ">=3.11"
INCLUDED: Mapping[str, tuple[str, ...]] = {
    "lumetry_core": (
        "__init__.py",
        "collectors/__init__.py",
        "collectors/agent/**/*.py",
        "runtime/__init__.py",
        "runtime/addresses.py",
        "runtime/clock.py",
        "runtime/logging.py",
        "runtime/outbound.py",
        "runtime/windows.py",
    ),
    "lumetry": (
        "__init__.py",
        "access/__init__.py",
        "access/v1/__init__.py",
        "access/v1/permission_pb2.py",
        "collectors/**/*.py",
        "hostagents/__init__.py",
        "hostagents/v1/__init__.py",
        "hostagents/v1/host_agent_channel_service_*.py",
        "metrics/__init__.py",
        "metrics/v1/__init__.py",
        "metrics/v1/ingestion_service_*.py",
    ),
}
"""Files of each installed package. `tests/gateway/install` shows that nothing is missing."""
REQUIRED = frozenset(
    {
        "aiohttp",
        "asyncpg",
        "click",
        "googleapis-common-protos",
        "grpcio",
        "jsonpath-rfc9535",
        "msgspec",
        "protobuf",
        "psutil",
        "pymysql",
        "structlog",
    }
)
"""What of the product's requirements the collector needs, in the versions that the product asks for."""
SHARED = f"{MODULE_NAME}-{{version}}.data/data/share/lumetry/{{name}}"
"""Where a file lies that is installed as it is, below the environment's `share/lumetry`."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that an archive can name."""
MODE = 0o644 << 16


@dataclass(frozen=True, slots=True)
class Package:
    """A finished wheel."""

    name: str
    version: str
    content: bytes
    sha256: str


def build_package(units: Mapping[str, bytes]) -> Package:
    """Makes the wheel.

    Args:
        units: Files of systemd that come with it, by name.
    """
    number = product_version()
    files = dict(find_sources())
    files |= {SHARED.format(version=number, name=name): content for name, content in units.items()}
    described = f"{MODULE_NAME}-{number}.dist-info"
    files[f"{described}/METADATA"] = write_metadata(number).encode()
    files[f"{described}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: lumetry\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{described}/entry_points.txt"] = f"[console_scripts]\n{NAME} = {ENTRY_POINT}\n".encode()
    record = f"{described}/RECORD"
    lines = [f"{name},sha256={digest_of(content)},{len(content)}" for name, content in sorted(files.items())]
    files[record] = "\n".join([*lines, f"{record},,", ""]).encode()
    content = pack(files)
    return Package(f"{MODULE_NAME}-{number}-py3-none-any.whl", number, content, hashlib.sha256(content).hexdigest())


def product_version() -> str:
    """The version of this installation."""
    try:
        return version(PRODUCT)
    except PackageNotFoundError:
        return "0"


def find_sources() -> Iterator[tuple[str, bytes]]:
    """The files of the collector by their path in the wheel. They are read, not imported: the gateway runs no code of the core."""
    for package, patterns in INCLUDED.items():
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            for pattern in patterns:
                for path in Path(folder).glob(pattern):
                    yield f"{package}/{path.relative_to(folder).as_posix()}", path.read_bytes()


def write_metadata(number: str) -> str:
    """The description of the wheel."""
    asked = {name_of(line): line for line in product_requirements()}
    needed = [asked.get(name, name) for name in sorted(REQUIRED)]
    return "".join(
        f"{line}\n"
        for line in (
            "Metadata-Version: 2.1",
            f"Name: {NAME}",
            f"Version: {number}",
            "Summary: The Lumetry collector and host agent",
            f"Requires-Python: {PYTHON}",
            *(f"Requires-Dist: {line}" for line in needed),
        )
    )


def product_requirements() -> list[str]:
    """What the product as a whole requires."""
    try:
        return [line for line in requires(PRODUCT) or () if ";" not in line]
    except PackageNotFoundError:
        return []


def name_of(requirement: str) -> str:
    """The name in a requirement such as `grpcio>=1.80`."""
    end = next((position for position, character in enumerate(requirement) if not (character.isalnum() or character in "-_.")), None)
    return requirement[:end].lower().replace("_", "-")


def digest_of(content: bytes) -> str:
    """A checksum as wheels write it."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def pack(files: Mapping[str, bytes]) -> bytes:
    """The archive of the files, which tells nothing but their names and content; the record comes last, as wheels want it."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as target:
        for name in sorted(files, key=lambda name: (name.endswith("/RECORD"), ".dist-info/" in name, name)):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = MODE
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, wherever it is made
            target.writestr(entry, files[name])
    return archive.getvalue()
