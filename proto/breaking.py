"""Checks the protos for breaking changes against the last release tag; without a release there is nothing to break."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Runs `buf breaking` against the newest `v*` tag."""
    tags = subprocess.run(["git", "tag", "--list", "v*", "--sort=-v:refname"], cwd=ROOT, capture_output=True, text=True, check=False)
    released = tags.stdout.split()
    if not released:
        print("no release yet: nothing to compare with")
        return
    buf = Path(sys.executable).parent / "buf"
    raise SystemExit(subprocess.run([str(buf), "breaking", "--against", f".git#tag={released[0]}"], cwd=ROOT, check=False).returncode)


if __name__ == "__main__":
    main()
