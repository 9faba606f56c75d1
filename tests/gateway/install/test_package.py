"""The package that hosts install."""

import ast
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from gateway.install.files import UNITS, build_installation, read_source
from gateway.install.package import REQUIRED, build_package

ROOT = Path(__file__).parents[3]
SOURCES = {"lumetry_core": ROOT / "lumetry_core", "lumetry": ROOT / "proto" / "gen" / "lumetry"}
REQUIREMENT_OF = {
    "google.protobuf": "protobuf",
    "google.rpc": "googleapis-common-protos",
    "grpc": "grpcio",
    "iregexp_check": "jsonpath-rfc9535",
    "jsonpath_rfc9535": "jsonpath-rfc9535",
    "multidict": "aiohttp",
    "regex": "jsonpath-rfc9535",
    "yarl": "aiohttp",
}
"""The requirement that brings a module of another name."""


def imported_by(path: Path) -> Iterator[str]:
    """The modules that a file may import, also later."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def find_source(module: str) -> Path | None:
    """The file of a module of the product; None: it is none."""
    package, _, rest = module.partition(".")
    if package not in SOURCES:
        return None
    path = SOURCES[package].joinpath(*rest.split(".")) if rest else SOURCES[package]
    return next((each for each in (path / "__init__.py", path.with_suffix(".py")) if each.is_file()), None)


def test_build_package_again() -> None:
    """The same files give the same bytes."""
    units = {name: read_source(name) for name in UNITS}
    first, second = build_package(units), build_package(units)
    assert first == second
    assert first.name == f"lumetry_collector-{first.version}-py3-none-any.whl"


def requirement_of(module: str) -> str:
    """The requirement that brings a library's module."""
    return next((name for prefix, name in REQUIREMENT_OF.items() if module.startswith(prefix)), module.partition(".")[0])


def test_package_of_all_that_is_imported() -> None:
    """Every module that the collector may import is in the package, and every library among its requirements."""
    [file] = build_installation().packages.values()
    names = {name for name in zipfile.ZipFile(BytesIO(file.content)).namelist() if name.endswith(".py")}
    missing = set()
    libraries = set()
    for name in names:
        package, _, rest = name.partition("/")
        for module in imported_by(SOURCES[package] / rest):
            top = module.partition(".")[0]
            source = find_source(module)
            if source is not None and f"{top}/{source.relative_to(SOURCES[top]).as_posix()}" not in names:
                missing.add(module)
            elif top not in {*sys.stdlib_module_names, *SOURCES} and module != "google":
                libraries.add(requirement_of(module))
    assert (missing, libraries) == (set(), set(REQUIRED))


def test_package_in_use(tmp_path: Path) -> None:
    """The package alone, with the libraries, is a collector that runs, and it brings the units."""
    installation = build_installation()
    [(name, file)] = installation.packages.items()
    with zipfile.ZipFile(BytesIO(file.content)) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)
    shared = tmp_path / f"lumetry_collector-{installation.version}.data" / "data" / "share" / "lumetry"
    assert {unit.name: unit.read_bytes() for unit in shared.iterdir()} == {unit: read_source(unit) for unit in UNITS}
    program = (
        "import sys; sys.path = [sys.argv[1], *(each for each in sys.path if each.endswith(('site-packages', 'lib-dynload', '.zip')) or "
        "'/lib/python' in each)]; sys.meta_path = [each for each in sys.meta_path if 'editable' not in str(each).lower()]; "
        "import lumetry_core, lumetry; from lumetry_core.collectors.agent.command import run_command; "
        "print(lumetry_core.__file__, lumetry.__file__); run_command(['--help'])"
    )
    environ = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], check=False, capture_output=True, text=True, env=environ, cwd=tmp_path, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{tmp_path}/lumetry_core/__init__.py {tmp_path}/lumetry/__init__.py\n")
    assert "--collector-url" in done.stdout
    assert hashlib.sha256(file.content).hexdigest() == file.sha256
    assert name in installation.scripts["install-agent.sh"].content.decode()


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_scripts_are_sound(tmp_path: Path) -> None:
    """The scripts have no fault that shellcheck knows."""
    for name, file in build_installation().scripts.items():
        (tmp_path / name).write_bytes(file.content)
    done = subprocess.run(["shellcheck", *tmp_path.iterdir()], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


def test_scripts_know_their_package() -> None:
    """Each script carries its mode and the checksum of the package; nothing is left to fill in."""
    installation = build_installation()
    [file] = installation.packages.values()
    for mode in ("agent", "collector"):
        script = installation.scripts[f"install-{mode}.sh"]
        text = script.content.decode()
        assert f"MODE='{mode}'" in text
        assert f"PACKAGE_SHA256='{file.sha256}'" in text
        assert "@" not in text.replace('"$@"', "").replace("@privileged", "")
        assert script.sha256 == hashlib.sha256(script.content).hexdigest()


@pytest.mark.parametrize("mode", ["agent", "collector"])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--bogus"], "unknown option --bogus; --help shows what there is"),
        (["--bogus", "--url", "http://x"], "unknown option --bogus; --help shows what there is"),
        (["--bogus=x"], "unknown option --bogus; --help shows what there is"),
        (["--url=http://x", "bogus"], "unknown option bogus; --help shows what there is"),
        (["--url"], "--url needs a value; --help shows what there is"),
    ],
)
def test_script_with_a_wrong_option(tmp_path: Path, mode: str, arguments: list[str], said: str) -> None:
    """What is wrong with the options is said before anything is looked at."""
    script = tmp_path / f"install-{mode}.sh"
    script.write_bytes(build_installation().scripts[script.name].content)
    done = subprocess.run(["sh", script, *arguments], check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"lumetry-{mode}: {said}\n")
