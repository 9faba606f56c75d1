"""The HTTP API that Prometheus has and others share: instant queries."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import msgspec

from lumetry_core.collectors.agent.polling.fetching import ask, write_headers
from lumetry_core.collectors.agent.polling.gathering import gather, too_many
from lumetry_core.collectors.agent.polling.model import MAX_SAMPLES, Fetch, Item, ItemResult, PollError, Source
from lumetry_core.runtime.outbound import OutboundRequest

QUERY_PATH = "/api/v1/query"
NAME = "__name__"


class Element(msgspec.Struct):
    """One series of a vector. A histogram has no single value."""

    metric: dict[str, str] = {}
    value: tuple[Any, Any] | None = None


class Data(msgspec.Struct):
    """The result of a query."""

    resultType: str  # noqa: N815 -- as on the wire
    result: msgspec.Raw = msgspec.Raw()


class Answer(msgspec.Struct):
    """The body of any answer."""

    status: str
    data: Data | None = None
    errorType: str = ""  # noqa: N815 -- as on the wire
    error: str = ""
    warnings: list[str] = []
    infos: list[str] = []


async def poll_prometheus(source: Source, item: Item, fetch: Fetch, now: datetime) -> ItemResult:
    """What an instant query gives now. Raises PollError."""
    # The time of evaluation is the source's own now: its clock may differ from the one that stamps the samples.
    form = {"query": item.query, "timeout": f"{source.timeout_seconds:g}s", "limit": str(MAX_SAMPLES + 1)}
    headers = {**write_headers(source), "Content-Type": "application/x-www-form-urlencoded"}
    url = source.target.base_url.rstrip("/") + QUERY_PATH
    answer = await ask(fetch, OutboundRequest("POST", url, headers, urlencode(form).encode()))
    return read_answer(item, answer.status, answer.body, now)


def read_answer(item: Item, status: int, body: bytes, now: datetime) -> ItemResult:
    """The samples in an answer. Raises PollError."""
    try:
        answer = msgspec.json.decode(body, type=Answer)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        detail = "is not what Prometheus answers, or did not come to its end in time" if status == 200 else f"has the status {status}"
        raise PollError(f"the answer {detail}") from None
    if answer.status != "success" or answer.data is None:
        raise PollError(f"{answer.errorType or f'status {status}'}: {answer.error or 'the source gives no reason'}")
    try:
        elements = read_elements(answer.data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise PollError(f"the {answer.data.resultType} in the answer cannot be read") from None
    if len(elements) > MAX_SAMPLES:
        raise too_many()
    wanted = item.label_columns
    values = [
        (each.value[1], {name: text for name, text in each.metric.items() if (name in wanted if wanted else name != NAME)})
        for each in elements
        if each.value is not None
    ]
    return gather(item, values, now, (*answer.warnings, *answer.infos), left_out=len(elements) - len(values))


def read_elements(data: Data) -> list[Element]:
    """The series of a result. Raises PollError for a kind of result that has no value now."""
    if data.resultType == "vector":
        return msgspec.json.decode(data.result, type=list[Element])
    if data.resultType == "scalar":
        return [Element(value=msgspec.json.decode(data.result, type=tuple[Any, Any]))]
    raise PollError(f"the query gives a {data.resultType[:40]}; it must give an instant vector or a scalar")
