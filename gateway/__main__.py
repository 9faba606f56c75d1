"""`python -m gateway`: the HTTP gateway as a process of its own."""

import os
import sys

import uvloop

from gateway.app import configure_logging, serve
from gateway.config import read_config


def main() -> int:
    """Serves until told to stop; the process's exit code."""
    config = read_config(sys.argv[1:], os.environ)
    configure_logging(config.log_level)
    uvloop.run(serve(config))
    return 0


if __name__ == "__main__":
    sys.exit(main())
