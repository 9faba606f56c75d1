import asyncio
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import web

from lumetry_core.collectors.agent.polling.model import Item, ItemResult, Source, Target
from lumetry_core.runtime.addresses import GLOBAL_ONLY, PRIVATE_TOO, OwnPorts, Policy
from tests.core.collectors.agent.polling.asking import poll, sample, serving

SHOP = {
    "status": {"healthy": True, "queue": 12, "load": "0.75", "note": None},
    "disks": [
        {"name": "a", "used": 10.5, "site": {"id": 1}, "spare": False},
        {"name": "b", "used": "20", "spare": True},
        {"name": "c", "used": None},
        {"name": "d", "used": "full"},
    ],
    "totals": [1, 2.5],
}


async def ask(url: str, *items: Item, secret: str = "", username: str = "", seconds: float = 5.0) -> list[ItemResult]:
    return await poll(Source("http", Target(url, username), items, secret, seconds))


async def test_poll_http_selects_values() -> None:
    """Numbers, numeric texts and truth values; objects with members as value and labels; one request for all items."""
    asked: list[str | None] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.headers.get("Authorization"))
        return web.json_response(SHOP)

    async with serving(answer) as url:
        results = await ask(
            f"{url}/status?full=1",
            Item("queue", "$.status.queue"),
            Item("load", "$.status.load"),
            Item("healthy", "$.status.healthy"),
            Item("used", "$.disks[*]", "used", ("name", "site", "spare")),
            Item("busy", "$.disks[?@.used > 5]", label_columns=("name",)),
            Item("absent", "$.nothing"),
            Item("note", "$.status.note"),
            secret="s3cret",
        )

    assert results == [
        ItemResult("queue", (sample("queue", 12.0),)),
        ItemResult("load", (sample("load", 0.75),)),
        ItemResult("healthy", (sample("healthy", 1.0),)),
        ItemResult(
            "used",
            (sample("used", 10.5, name="a", spare="false"), sample("used", 20.0, name="b", spare="true")),
            warnings=("left out 2 of 4 values: no number",),
            skipped_count=2,
        ),
        ItemResult("busy", (sample("busy", 10.5, name="a"),)),
        ItemResult("absent"),
        ItemResult("note", error="no row has a number"),
    ]
    assert asked == ["Bearer s3cret"]


@pytest.mark.parametrize(
    ("item", "error"),
    [
        (Item("m", "status.queue"), "the JSON path cannot be read: "),
        (Item("m", "$["), "the JSON path cannot be read: "),
        (Item("m", "$" + "(" * 3000), "the path has more than 2,000 characters"),
        (Item("m", "$[?" + "(" * 1500 + "1"), "the JSON path "),
        (Item("m", "$.totals[*]", "used"), "the path selects values that are no objects, so they have no members"),
        (Item("m", "$.disks[*]", "free"), "no selected object has a member free; they have name, used, site, spare"),
        (Item("m", "$['disks', 'totals'][*]"), "the path selects objects and other values; it must select one kind"),
        (Item("m", "$.status"), "more than one column holds numbers"),
        (Item("m", "$.totals[*]"), "2 rows have the same labels"),
    ],
)
async def test_poll_http_with_an_item_that_cannot_be_used(item: Item, error: str) -> None:
    """The reason is told, and the others are looked up all the same."""

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response({**SHOP, "status": {"a": 1, "b": 2}})

    async with serving(answer) as url:
        [result, other] = await ask(url, item, Item("other", "$.totals[1]"))

    assert result.error.startswith(error)
    assert bool(result.error) == bool(error)
    assert other == ItemResult("other", (sample("other", 2.5),))


def respond(**options: Any) -> Any:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(**options)

    return answer


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        (respond(status=500, body=b"secret internals"), "the answer has the status 500"),
        (respond(status=404), "the answer has the status 404"),
        (respond(status=401), "the source refuses the credentials (401)"),
        (
            respond(status=302, headers={"Location": "http://169.254.169.254/latest/meta-data/"}),
            "the answer is a redirect (302), and redirects are not followed",
        ),
        (respond(body=b"<html>"), "the answer is no JSON, or did not come to its end in time"),
        (respond(body=b"\xff"), "the answer is no JSON, or did not come to its end in time"),
        (respond(body=b'{"v": NaN}'), "the answer is no JSON, or did not come to its end in time"),
        (respond(body=b""), "the answer is no JSON, or did not come to its end in time"),
        (respond(body=b"[" * 1_000_000), "the document is nested too deeply"),
        (respond(body=b'{"a":' * 95 + b"1" + b"}" * 95), "the document is nested too deeply"),
        (respond(body=b"{}", headers={"Content-Encoding": "gzip"}), "the answer is compressed, though none was asked for that is"),
    ],
)
async def test_poll_http_with_strange_answers(handler: Any, error: str) -> None:
    """Whatever comes becomes a short text for every item."""
    async with serving(handler) as url:
        assert await ask(url, Item("a", "$..v"), Item("b", "$.v")) == [ItemResult("a", error=error), ItemResult("b", error=error)]


async def test_poll_http_with_an_endless_answer() -> None:
    """A body of 100 MB is not read to its end, with a length or without."""
    sent = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        if request.path == "/announced":
            response.content_length = 100 * 1024**2
        await response.prepare(request)
        for _ in range(100):
            await response.write(b" " * 1024**2)
            sent += 1
        return response

    async with serving(answer) as url:
        results = [*await ask(f"{url}/announced", Item("m", "$.v")), *await ask(f"{url}/chunked", Item("m", "$.v"))]

    assert results == [ItemResult("m", error="the answer has more than 8 MiB")] * 2
    assert sent < 60


async def test_poll_http_with_an_answer_that_trickles() -> None:
    """The item's timeout is for the whole answer, however it comes."""
    stop = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            while not stop.is_set():
                await response.write(b" ")
                await asyncio.wait([asyncio.ensure_future(stop.wait())], timeout=0.02)
        return response

    async with serving(answer) as url:
        results = await ask(url, Item("m", "$.v"), seconds=0.4)
        stop.set()

    assert results == [ItemResult("m", error="no answer within 0.4 s")]


async def test_poll_http_where_connections_may_not_lead() -> None:
    """Private addresses, metadata addresses and the product's own ports are refused by the client's policy."""
    own = OwnPorts()
    own.add("127.0.0.1", 8080)

    async def reason(url: str, policy: Policy) -> str:
        [result] = await poll(Source("http", Target(url), (Item("m", "$"),)), policy)
        return result.error

    assert await reason("https://127.0.0.1:9/", GLOBAL_ONLY) == "the address must not lead to 127.0.0.1: it is a loopback address"
    assert await reason("http://169.254.169.254/", PRIVATE_TOO) == "the address must not lead to 169.254.169.254: it is a metadata address"
    assert await reason("http://127.0.0.1:8080/", Policy(allows_private=True, allows_plain=True, own_ports=own)) == (
        "the address must not lead to 127.0.0.1: it is Lumetry's own"
    )
    assert await reason("ftp://example.test/", PRIVATE_TOO) == "the address must be an absolute http or https URL"
    assert await reason("", PRIVATE_TOO) == "the address must be an absolute http or https URL"


async def test_poll_http_when_nobody_listens() -> None:
    """A refused connection is told for every item."""
    async with serving(respond()) as url:
        pass

    assert await ask(url, Item("a", "$"), Item("b", "$")) == [
        ItemResult("a", error="the connection was refused"),
        ItemResult("b", error="the connection was refused"),
    ]
