"""How a command runs: it connects, works, and fails with a code."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from lumetry_core.shell.options import Options

if TYPE_CHECKING:
    from lumetry_core.shell.session import Session


def run(options: Options, work: Callable[["Session"], Awaitable[None]]) -> None:
    """Connects, does the work, and makes its failure the command's."""
    from lumetry_core.shell.session import open_session  # noqa: PLC0415 -- gRPC is imported when it is needed

    async def connect_and_work() -> None:
        async with open_session(options) as session:
            await work(session)

    asyncio.run(connect_and_work())


def run_until_interrupted(options: Options, work: Callable[["Session"], Awaitable[None]]) -> None:
    """As `run`, for work that Ctrl-C ends as it should."""
    with suppress(KeyboardInterrupt):
        run(options, work)
