"""`python -m tests.conformance.collector COMMAND…`: examines any collector."""

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.conformance.collector.judge import BreachError
from tests.conformance.collector.scenario import examine


def main(command: list[str]) -> int:
    """The exit code: 0 when the collector keeps the contract, 1 when it does not, 2 without a command."""
    if not command:
        print("usage: python -m tests.conformance.collector COMMAND…", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="collector-") as folder:
        try:
            asyncio.run(examine(command, Path(folder), lambda line: print(f"ok      {line}", flush=True)))
        except BreachError as breach:
            print(f"BREACH  {breach}", flush=True)
            print((Path(folder) / "collector.log").read_text(errors="replace")[-4000:], file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
