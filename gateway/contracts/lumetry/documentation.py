"""The pages of the documentation (contract lumetry 1.1)."""

from collections.abc import Sequence
from importlib import resources

from aiohttp import web

from gateway.console.files import MEDIA_TYPES, SAFE_HEADERS
from gateway.docs.rendering import render_index, render_page
from gateway.transcode.channel import find_rpc
from gateway.transcode.request import Request
from gateway.transcode.routes import Route
from lumetry.documentation.v1 import documentation_service_pb2 as pb

LIST = find_rpc(pb.DESCRIPTOR, "DocumentationService", "ListDocumentationPages")
GET = find_rpc(pb.DESCRIPTOR, "DocumentationService", "GetDocumentationPage")


async def answer_index(request: Request) -> web.Response:
    """`GET /docs/`: all pages."""
    reply = await request.core.call(LIST, pb.ListDocumentationPagesRequest(), request.metadata)
    return page_response(render_index([(page.path, page.title) for page in reply.pages]))


async def answer_page(request: Request) -> web.Response:
    """`GET /docs/{page}`: one page."""
    asked = pb.GetDocumentationPageRequest(path=request.key("page").removesuffix("/"))
    reply = await request.core.call(GET, asked, request.metadata)
    pages = {page.source: page.path for page in reply.pages}
    return page_response(render_page(reply.markdown, reply.anchors, title=reply.page.title, source=reply.page.source, pages=pages))


async def answer_style(_request: Request) -> web.Response:
    """`GET /docs/page.css`: how pages look."""
    style = (resources.files("gateway.docs") / "page.css").read_bytes()
    return web.Response(body=style, headers={"Content-Type": MEDIA_TYPES["css"], **SAFE_HEADERS})


def page_response(html: str) -> web.Response:
    """A page with the headers under which it is safe to show."""
    return web.Response(body=html.encode(), headers={"Content-Type": MEDIA_TYPES["html"], **SAFE_HEADERS})


ROUTES: Sequence[Route] = (
    Route(method="GET", path="/docs/", heading="Documentation", rpc=LIST, handle=answer_index, media_type="text/html"),
    Route(method="GET", path="/docs/page.css", heading="Documentation", handle=answer_style, media_type="text/css"),
    Route(method="GET", path="/docs/{page:rest}", heading="Documentation page", rpc=GET, handle=answer_page, media_type="text/html"),
)
