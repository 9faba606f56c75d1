"""The HTTP server, whose answers to what is not even HTTP are documented ones too."""

from collections.abc import Callable
from typing import Any

import structlog
from aiohttp import web

from gateway.transcode.failures import Failure, internal_failure, malformed_body

log = structlog.get_logger(__name__)

Refuse = Callable[[Failure], web.Response]
"""Answers a failure of a message that has no path and so no family."""


class Connection(web.RequestHandler):
    """A connection of a client."""

    def __init__(self, manager: "Server", **options: Any) -> None:  # noqa: ANN401 -- aiohttp's own options
        super().__init__(manager, **options)
        self._refuse = manager.refuse

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answers a message that could not be read, and ends the connection: where the next message begins is unknown."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is under way already")
        if status < 500:
            log.info("a message was not HTTP", error=type(exc).__name__)
            response = self._refuse(malformed_body("The message is not valid HTTP."))
        else:
            log.error("a message could not be answered", exc_info=exc)
            response = self._refuse(internal_failure())
        response.headers["Connection"] = "close"  # which aiohttp leaves out, for it does not know what it answers
        response.force_close()
        return response


class Server(web.Server):
    """Makes connections."""

    def __init__(self, handler: Callable[[web.BaseRequest], Any], refuse: Refuse, **options: Any) -> None:  # noqa: ANN401 -- as above
        super().__init__(handler, **options)
        self.refuse = refuse

    def __call__(self) -> web.RequestHandler:
        """A new connection."""
        return Connection(self, loop=self._loop, **self._kwargs)
