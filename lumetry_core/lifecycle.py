"""A core process around its work: how it learns that it shall end, how it says where it is, how it settles."""

import asyncio
import gc
import json
import os
import signal
import sys
from ipaddress import ip_address

from lumetry_core.config import Config


def reflects(config: Config) -> bool:
    """Whether reflection is offered: as set, else on loopback addresses only."""
    if config.reflection is not None:
        return config.reflection
    host = config.grpc.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def watch_for_end(*, lifeline: bool) -> asyncio.Event:
    """An event that SIGTERM, SIGINT and, if asked for, the end of standard input set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if lifeline:
        descriptor = sys.stdin.fileno()

        def on_input() -> None:
            if not os.read(descriptor, 1024):
                loop.remove_reader(descriptor)
                stop.set()

        loop.add_reader(descriptor, on_input)
    return stop


def announce(ready_fd: int | None, address: str) -> None:
    """Tells the starter the bound address."""
    if ready_fd is not None:
        with os.fdopen(ready_fd, "w") as pipe:
            pipe.write(json.dumps({"grpc": address}) + "\n")


def settle_memory() -> None:
    """Takes what was loaded at start out of the garbage collector's rounds, and makes rounds rarer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
