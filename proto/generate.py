"""Generates the Python code of all protos into `proto/gen`; `--check` fails when the checked-in code is stale."""

import argparse
import filecmp
import shutil
import sys
import tempfile
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent
WELL_KNOWN = Path(grpc_tools.__file__).parent / "_proto"
PACKAGE_DOC = '"""Generated from the protos of the same path; do not edit."""\n'


def generate(target: Path) -> None:
    """Writes messages, stubs and their types below `target`, which becomes an import root."""
    sources = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "lumetry").rglob("*.proto"))
    outputs = [f"--{kind}_out={target}" for kind in ("python", "grpc_python")]
    types = [f"--mypy_out={target}", f"--mypy_grpc_out=only_async:{target}"]
    plugins = [f"--plugin=protoc-gen-{name}={Path(sys.executable).parent / f'protoc-gen-{name}'}" for name in ("mypy", "mypy_grpc")]
    if protoc.main(["protoc", f"-I{ROOT}", f"-I{WELL_KNOWN}", *plugins, *outputs, *types, *sources]) != 0:
        raise SystemExit("protoc failed")
    for folder in {path.parent for path in target.rglob("*.py")} | {target / "lumetry"}:
        for package in (folder, *folder.parents):
            if package == target:
                break
            (package / "__init__.py").write_text(PACKAGE_DOC)
    (target / "lumetry" / "py.typed").touch()


def differences(left: Path, right: Path) -> list[str]:
    """Relative paths of the files that differ or stand on one side only."""
    names = {p.relative_to(r).as_posix() for r in (left, right) for p in r.rglob("*") if p.is_file() and p.suffix != ".pyc"}
    return sorted(
        n for n in names if not ((left / n).exists() and (right / n).exists() and filecmp.cmp(left / n, right / n, shallow=False))
    )


def main() -> None:
    """Regenerates in place, or compares with a fresh generation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when the checked-in code is not what the protos give")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        generate(fresh)
        stale = differences(fresh, ROOT / "gen")
        if check and stale:
            raise SystemExit("stale generated code, run `poe proto`:\n" + "\n".join(stale))
        if not check:
            shutil.rmtree(ROOT / "gen", ignore_errors=True)
            shutil.copytree(fresh, ROOT / "gen")
            print(f"{len(stale)} generated files changed")


if __name__ == "__main__":
    main()
