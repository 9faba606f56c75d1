"""Ingestion of points through the gateway."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lumetry.metrics.v1 import ingestion_service_pb2 as pb
from lumetry_core.runtime.errors import Fault, LumetryError, Reason

HEADERS = {"Authorization": "Bearer lmt_1", "Content-Type": "application/json"}
TIME = "2026-06-01T08:00:00Z"
NS = 1_780_300_800_000_000_000


def point(**changes: Any) -> dict[str, Any]:
    return {"metricName": "cpu", "timestamp": TIME, "value": 1.5, **changes}


class Store:
    """Answers like the core: keeps dictionaries, accepts every batch."""

    def __init__(self) -> None:
        self.dictionaries: dict[bytes, list[Any]] = {}
        self.batches: list[list[tuple[str, dict[str, str], int, float]]] = []
        self.faults: Callable[[list[Any]], list[pb.PointFault]] = lambda _points: []

    async def __call__(self, request: pb.IngestColumnsRequest, _context: Any) -> Any:
        known = self.dictionaries.get(request.dictionary_id, [])
        for series in request.series:
            if series.index > len(known):
                return LumetryError(Reason.UNKNOWN_DICTIONARY, "x")
            if series.index == len(known):
                known.append(series)
        if not known:
            return LumetryError(Reason.UNKNOWN_DICTIONARY, "x")
        self.dictionaries[request.dictionary_id] = known
        numbers = np.frombuffer(request.series_indexes, "<u4").tolist()
        if max(numbers) >= len(known):
            return LumetryError(Reason.UNKNOWN_DICTIONARY, "x")
        series = [known[number] for number in numbers]
        labels = [dict(zip(one.label_names, one.label_values, strict=True)) for one in series]
        times, values = np.frombuffer(request.times, "<i8").tolist(), np.frombuffer(request.values, "<f8").tolist()
        points = list(zip([one.metric_key for one in series], labels, times, values, strict=True))
        results = []
        for size in request.batch_sizes:
            batch, points = points[:size], points[size:]
            faults = self.faults(batch)
            if faults:
                results.append(pb.ColumnBatchResult(faults=faults))
                continue
            if not request.validate_only:
                self.batches.append(batch)
            number = len(self.batches)
            accepted = pb.AcceptedBatch(batch_id=f"b{number}", accepted_count=size, job_ids=[number * 64])
            results.append(pb.ColumnBatchResult(batch=accepted))
        return pb.IngestColumnsResponse(results=results)


@pytest.fixture
def store(core: Any) -> Store:
    made = Store()
    core.answers["IngestColumns"] = made
    return made


async def post(client: Any, body: Any, path: str = "/v1/metrics", **headers: str) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with client.post(path, headers=HEADERS | headers, data=data) as response:
        return response.status, json.loads(await response.read())


async def test_ingest_batch_of_known_and_new_series(client: Any, core: Any, store: Store) -> None:
    """Definitions travel once; afterwards a series is a number."""
    first = [point(labels={"host": "a", "disk": "/"}), point(value=2, labels=None), point(timestamp="2026-06-01T10:00:00.1239+02:00")]
    assert await post(client, {"metrics": first}) == (202, {"accepted": 3, "batchId": "b1"})
    assert await post(client, {"metrics": [point(labels={"host": "a", "disk": "/"}, value=3)]}) == (202, {"accepted": 1, "batchId": "b2"})
    assert store.batches == [
        [("cpu", {"host": "a", "disk": "/"}, NS, 1.5), ("cpu", {}, NS, 2.0), ("cpu", {}, NS + 123_000_000, 1.5)],
        [("cpu", {"host": "a", "disk": "/"}, NS, 3.0)],
    ]
    assert [len(request.series) for request in core.requests("IngestColumns")] == [2, 0]


async def test_pass_namespace_and_source_on(client: Any, store: Store) -> None:
    """Namespace and source belong to the definition."""
    await post(client, {"metrics": [point(namespace="shop", source="probe")]})
    [[series]] = store.dictionaries.values()
    assert (series.namespace, series.source) == ("shop", "probe")


async def test_keep_last_of_repeated_label_names(client: Any, store: Store) -> None:
    """Of a label name that stands twice in the JSON the last value counts."""
    body = b'{"metrics":[{"metricName":"cpu","timestamp":"' + TIME.encode() + b'","value":1,"labels":{"a":"1","a":"2"}}]}'
    assert (await post(client, body))[0] == 202
    assert store.batches[0][0][1] == {"a": "2"}


async def test_keep_last_of_repeated_fields(client: Any, store: Store) -> None:
    """Whoever checks a body before us and whoever reads it after us sees the same: the last of equal names counts, at every depth."""
    body = (
        f'{{"metrics": [{{"metricName": "disk", "timestamp": "{TIME}", "value": 1}}], '
        f'"metrics": [{{"metricName": "disk", "metricName": "cpu", "timestamp": "{TIME}", "value": 1, "value": 2.5}}]}}'
    )
    assert (await post(client, body.encode()))[0] == 202
    assert store.batches == [[("cpu", {}, NS, 2.5)]]
    single = f'{{"metricName": "disk", "metricName": "cpu", "timestamp": "{TIME}", "value": 9, "value": 3.5}}'
    assert (await post(client, single.encode(), "/api/metric-ingestion"))[0] == 202
    assert store.batches[1:] == [[("cpu", {}, NS, 3.5)]]


async def test_define_series_again_after_restart_of_core(client: Any, core: Any, store: Store) -> None:
    """When the core lost its dictionaries, a new one starts with what is needed and the batch is accepted."""
    await post(client, {"metrics": [point(), point(labels={"a": "1"}), point(metricName="mem")]})
    store.dictionaries.clear()
    assert (await post(client, {"metrics": [point(metricName="mem"), point()]}))[0] == 202
    assert [one[0] for one in store.batches[-1]] == ["mem", "cpu"]
    requests = core.requests("IngestColumns")
    assert [len(request.series) for request in requests] == [3, 0, 2]
    assert requests[1].dictionary_id != requests[2].dictionary_id


async def test_collect_all_faults_of_a_batch(client: Any, core: Any, store: Store) -> None:
    """Faults of types and faults that the core finds stand in one answer, under the points of the body; nothing is stored."""
    store.faults = lambda points: [
        pb.PointFault(point_index=index, field="metricName", message="bad key") for index, one in enumerate(points) if one[0] == "9"
    ]
    metrics = [
        point(),
        7,
        point(metricName="9", value="1", labels={"a": 1}),
        point(timestamp="yesterday"),
        point(value=True, metricName=None),
        point(metricName="9"),
        {},
    ]
    status, body = await post(client, {"metrics": metrics})
    assert (status, body["type"]) == (400, "/problems/validation")
    assert [(error["path"], error["message"]) for error in body["errors"]] == [
        ("metrics[1]", "must be an object"),
        ("metrics[2].value", "must be a number"),
        ("metrics[2].labels.a", "must be a string"),
        ("metrics[2].metricName", "bad key"),
        ("metrics[3].timestamp", "must be an ISO-8601 time such as 2026-06-01T08:40:00Z"),
        ("metrics[4].metricName", "is required"),
        ("metrics[4].value", "must be a number"),
        ("metrics[5].metricName", "bad key"),
        ("metrics[6].metricName", "is required"),
        ("metrics[6].timestamp", "is required"),
        ("metrics[6].value", "is required"),
    ]
    assert [request.validate_only for request in core.requests("IngestColumns")] == [True]
    assert store.batches == []


async def test_move_faults_of_a_single_refused_batch(client: Any, core: Any) -> None:
    """A core that refuses the only batch with a status names the same places."""
    core.answers["IngestColumns"] = LumetryError(Reason.VALIDATION_FAILED, "x", faults=(Fault("metrics[1].value", "bad"),))
    expected = [{"path": "metrics[1].value", "message": "bad"}]
    assert (await post(client, {"metrics": [point(), point()]}))[1]["errors"] == expected
    body = (await post(client, {"metrics": [7, point(), point()]}))[1]
    assert body["errors"] == [{"path": "metrics[0]", "message": "must be an object"}, {"path": "metrics[2].value", "message": "bad"}]


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, [("metrics", "is required")]),
        ([], [("", "must be a JSON object")]),
        ({"metrics": {}}, [("metrics", "must be an array")]),
        ({"metrics": []}, [("metrics", "must hold between 1 and 10000 points")]),
        ({"metrics": [point()] * 10_001}, [("metrics", "must hold between 1 and 10000 points")]),
        (
            b'{"metrics":[{"metricName":"a","timestamp":"' + TIME.encode() + b'","value":1e999}]}',
            [("metrics[0].value", "must be a finite number")],
        ),
        (
            b'{"metrics":[{"metricName":"a","timestamp":"' + TIME.encode() + b'","value":' + b"9" * 400 + b"}]}",
            [("metrics[0].value", "must be a finite number")],
        ),
        ({"metrics": [point(labels={"a": "\0"})]}, [("metrics[0].labels.a", "must not contain NUL characters")]),
        ({"metrics": [point(source=5)]}, [("metrics[0].source", "must be a string")]),
    ],
)
async def test_refuse_faulty_bodies(client: Any, store: Store, body: Any, errors: list[tuple[str, str]]) -> None:
    """Limits and types are told by their path."""
    status, answer = await post(client, body)
    assert (status, [(error["path"], error["message"]) for error in answer["errors"]]) == (400, errors)


@pytest.mark.parametrize("value", [b"NaN", b"Infinity", b"01", b"1.", b"0x1"])
async def test_refuse_what_is_not_json(client: Any, store: Store, value: bytes) -> None:
    """Numbers that JSON does not know make the body malformed."""
    body = b'{"metrics":[{"metricName":"a","timestamp":"' + TIME.encode() + b'","value":' + value + b"}]}"
    status, answer = await post(client, body)
    assert (status, answer["type"]) == (400, "/problems/malformed-body")


async def test_saturate_distant_times(client: Any, store: Store) -> None:
    """Times that 64 bits of nanoseconds do not hold reach the core as far away as possible."""
    metrics = [point(timestamp="0001-01-01T00:00:00+14:00"), point(timestamp="9999-12-31T23:59:59Z")]
    assert (await post(client, {"metrics": metrics}))[0] == 202
    assert [one[2] for one in store.batches[0]] == [-9_223_372_036_854_000_000, 9_223_372_036_854_000_000]


async def test_ingest_single_point(client: Any, store: Store) -> None:
    """One point is a batch of one whose job is told."""
    path = "/api/metric-ingestion"
    assert await post(client, point(), path) == (202, {"jobId": 64, "status": "Queued"})
    body = point(metricId="mem", labels={"a": "b"})
    del body["metricName"]
    assert await post(client, body, path) == (202, {"jobId": 128, "status": "Queued"})
    assert store.batches == [[("cpu", {}, NS, 1.5)], [("mem", {"a": "b"}, NS, 1.5)]]


async def test_refuse_faulty_single_point(client: Any, store: Store) -> None:
    """Paths have no place in a batch; two names of the metric must agree."""
    path = "/api/metric-ingestion"
    assert (await post(client, point(metricId="mem"), path))[1]["errors"] == [{"path": "metricId", "message": "must equal metricName"}]
    assert (await post(client, {"timestamp": TIME, "value": 1}, path))[1]["errors"] == [{"path": "metricName", "message": "is required"}]
    store.faults = lambda _points: [
        pb.PointFault(point_index=0, field="metricName", message="bad"),
        pb.PointFault(point_index=0, field="value", message="odd"),
    ]
    errors = (await post(client, {"metricId": "9", "timestamp": TIME, "value": 1}, path))[1]["errors"]
    assert errors == [{"path": "metricId", "message": "bad"}, {"path": "value", "message": "odd"}]


async def test_ask_core_once_per_credential(client: Any, core: Any, store: Store) -> None:
    """A credential is checked before its first body is read; a refused one is checked again."""
    for _ in range(3):
        await post(client, {"metrics": [point()]})
    assert len(core.requests("CheckAccess")) == 1
    core.answers["IngestColumns"] = LumetryError(Reason.UNAUTHENTICATED, "gone")
    assert (await post(client, {"metrics": [point()]}))[0] == 401
    core.answers["CheckAccess"] = LumetryError(Reason.UNAUTHENTICATED, "gone")
    assert (await post(client, b"{", Authorization="Bearer lmt_1"))[0] == 401


async def test_answer_overload(client: Any, core: Any) -> None:
    """An overloaded core is a 503, so that clients send again."""
    core.answers["IngestColumns"] = LumetryError(Reason.OVERLOADED, "Too many points wait.", retry_after_seconds="5")
    async with client.post("/v1/metrics", headers=HEADERS, data=json.dumps({"metrics": [point()]})) as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "5")


NAMES = st.sampled_from(["metrics", "metricName", "timestamp", "value", "labels", "a"])
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda part: st.lists(part, max_size=4) | st.dictionaries(NAMES, part),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.one_of(
        st.binary(max_size=200),
        JSON_VALUES.map(lambda value: json.dumps(value).encode()),
        st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(point(), JSON_VALUES)), max_size=3).map(
            lambda points: json.dumps({"metrics": points}).encode()
        ),
    ),
    encoding=st.sampled_from(["identity", "gzip", "br"]),
    kind=st.sampled_from(["application/json", "text/plain"]),
)
async def test_never_fail_on_any_body(client: Any, store: Store, body: bytes, encoding: str, kind: str) -> None:
    """Whatever bytes arrive, the answer is a 202 or a 4xx with a problem document."""
    headers = {**HEADERS, "Content-Type": kind, "Content-Encoding": encoding}
    async with client.post("/v1/metrics", headers=headers, data=body) as response:
        document = json.loads(await response.read())
        assert response.status == 202 or 400 <= response.status < 500, document
