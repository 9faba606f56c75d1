import json
from typing import Any

import pytest

from lumetry_core.collectors.agent.polling.model import Item, ItemResult, PollError, Source, Target
from lumetry_core.collectors.agent.polling.polling import poll_source
from lumetry_core.collectors.agent.polling.prometheus import read_answer
from lumetry_core.runtime.outbound import OutboundAnswer
from tests.core.collectors.agent.polling.asking import NOW, ScriptedFetch, make_source, poll, sample
from tests.polled_servers import PolledServer

TWO = 'label_replace(vector(1), "host", "a", "", "") or label_replace(vector(2.5), "host", "b", "", "")'


async def test_poll_prometheus_gives_vectors_and_scalars(prometheus_server: PolledServer) -> None:
    """A real Prometheus: a vector's series with their labels, a scalar without any."""
    source = make_source(
        "prometheus", prometheus_server, Item("cpu", TWO), Item("five", "scalar(vector(5))"), Item("none", "absent_metric")
    )

    assert await poll(source) == [
        ItemResult("cpu", (sample("cpu", 1.0, host="a"), sample("cpu", 2.5, host="b"))),
        ItemResult("five", (sample("five", 5.0),)),
        ItemResult("none"),
    ]


async def test_poll_prometheus_keeps_the_labels_asked_for(prometheus_server: PolledServer) -> None:
    """The metric's own name is no label; label columns keep only theirs, and what falls together fails."""
    pair = 'label_replace(label_replace(vector(1), "host", "a", "", ""), "disk", "x", "", "")'
    other = 'label_replace(label_replace(vector(2), "host", "a", "", ""), "disk", "y", "", "")'
    source = make_source("thanos", prometheus_server, Item("disk", f"{pair} or {other}", label_columns=("host", "nothing")))

    assert await poll(source) == [
        ItemResult("disk", error="2 rows have the same labels"),
    ]


async def test_poll_prometheus_scraped_metric(prometheus_server: PolledServer) -> None:
    """What Prometheus scraped comes with job, instance and the configured label, and without its name."""
    [result] = await poll(make_source("prometheus", prometheus_server, Item("up", "max_over_time(up[5m]) or vector(1)")))

    assert result.error == ""
    assert {name for each in result.samples for name in each.labels} <= {"job", "instance", "zone"}


async def test_poll_prometheus_leaves_out_what_is_not_finite(prometheus_server: PolledServer) -> None:
    """NaN and infinite values are counted, the rest is kept."""
    query = " or ".join(f'label_replace(vector({value}), "n", "{value}", "", "")' for value in ("NaN", "Inf", "3"))

    assert await poll(make_source("prometheus", prometheus_server, Item("m", query))) == [
        ItemResult("m", (sample("m", 3.0, n="3"),), warnings=("left out 2 of 3 values: not finite",), skipped_count=2)
    ]


async def test_poll_prometheus_each_item_by_itself(prometheus_server: PolledServer) -> None:
    """A query that cannot be parsed, one of another kind and one that fails do not keep the others from being polled."""
    items = (Item("bad", "sum("), Item("range", "up[5m]"), Item("text", '"word"'), Item("9bad", "vector(1)"), Item("good", "vector(1)"))
    results = await poll(make_source("prometheus", prometheus_server, *items))

    assert [each.error.partition(":")[0] for each in results] == [
        "bad_data",
        "the query gives a matrix; it must give an instant vector or a scalar",
        "the query gives a string; it must give an instant vector or a scalar",
        "the metric key is none",
        "",
    ]
    assert results[-1].samples == (sample("good", 1.0),)


async def test_poll_prometheus_with_too_many_series(prometheus_server: PolledServer) -> None:
    """An item that gives more series than it may fails as a whole."""
    source = make_source("prometheus", prometheus_server, Item("m", 'count_values("v", prometheus_tsdb_head_series) or vector(1)'))
    assert (await poll(source))[0].error == ""
    body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1, "1"]}] * 5001}})

    with pytest.raises(PollError, match="more than 5,000 values"):
        read_answer(Item("m", "q"), 200, body.encode(), NOW)


async def test_poll_prometheus_with_credentials(guarded_prometheus: PolledServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user name with the secret is basic authentication, over TLS whose authority the host trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(guarded_prometheus.authority))
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", __import__("ssl").create_default_context())
    item = Item("m", "vector(1)")

    assert await poll(make_source("prometheus", guarded_prometheus, item, tls=True)) == [ItemResult("m", (sample("m", 1.0),))]
    assert await poll(make_source("prometheus", guarded_prometheus, item, tls=True, secret="wrong-secret")) == [
        ItemResult("m", error="the source refuses the credentials (401)")
    ]


async def test_poll_prometheus_behind_an_unknown_authority(guarded_prometheus: PolledServer) -> None:
    """A certificate that nobody vouches for ends the poll before the secret is sent."""
    assert await poll(make_source("prometheus", guarded_prometheus, Item("m", "vector(1)"), tls=True)) == [
        ItemResult("m", error="the certificate is not trusted")
    ]


@pytest.mark.parametrize(("username", "header"), [("", "Bearer s3cret"), ("me", "Basic bWU6czNjcmV0")])
async def test_poll_prometheus_sends_the_secret(username: str, header: str) -> None:
    """A secret without a user name is a bearer token."""
    fetch = ScriptedFetch([OutboundAnswer(200, {}, b'{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}')])
    source = Source("prometheus", Target("http://prom.test:9090/base/", username), (Item("m", "up"),), "s3cret")

    assert await poll_source(source, fetch, NOW) == [ItemResult("m", (sample("m", 2.0),))]
    [request] = fetch.requests
    assert (request.url, request.headers["Authorization"]) == ("http://prom.test:9090/base/api/v1/query", header)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, b"", "the answer is not what Prometheus answers, or did not come to its end in time"),
        (200, b"<html>", "the answer is not what Prometheus answers, or did not come to its end in time"),
        (200, b"[" * 100_000, "the answer is not what Prometheus answers, or did not come to its end in time"),
        (200, b"\xff\xfe", "the answer is not what Prometheus answers, or did not come to its end in time"),
        (500, b"Internal Server Error", "the answer has the status 500"),
        (503, b'{"status":"error","errorType":"timeout","error":"query timed out"}', "timeout: query timed out"),
        (200, b'{"status":"success"}', "status 200: the source gives no reason"),
        (200, b'{"status":"success","data":{"resultType":"vector","result":{"a":1}}}', "the vector in the answer cannot be read"),
        (
            200,
            b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":1}}]}}',
            "the vector in the answer cannot be read",
        ),
        (302, b"", "the answer is a redirect (302), and redirects are not followed"),
        (403, b"", "the source refuses the credentials (403)"),
    ],
)
async def test_poll_prometheus_with_strange_answers(status: int, body: bytes, error: str) -> None:
    """Whatever comes becomes a short text."""
    fetch = ScriptedFetch([OutboundAnswer(status, {"location": "http://169.254.169.254/"}, body)])

    assert await poll_source(Source("prometheus", Target("http://p.test"), (Item("m", "up"),)), fetch, NOW) == [
        ItemResult("m", error=error)
    ]


def read(result: Any, **members: Any) -> ItemResult:
    body = {"status": "success", "data": {"resultType": "vector", "result": result}, **members}
    return read_answer(Item("m", "q"), 200, json.dumps(body).encode(), NOW)


def test_read_answer_with_histograms_and_warnings() -> None:
    """A native histogram has no single value; what the source warns of is passed on."""
    answer = read(
        [{"metric": {"a": "b"}, "histogram": [1, {"count": "3"}]}, {"metric": {"__name__": "m", "c": "d"}, "value": [1, "7"]}],
        warnings=["results truncated"],
    )

    assert answer == ItemResult(
        "m", (sample("m", 7.0, c="d"),), warnings=("left out 1 of 2 values: no number", "results truncated"), skipped_count=1
    )
