"""JSON documents over HTTP."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from lumetry_core.collectors.agent.polling.fetching import ask, write_headers
from lumetry_core.collectors.agent.polling.gathering import choose_column, gather, pair, too_many
from lumetry_core.collectors.agent.polling.model import MAX_SAMPLES, Fetch, Item, ItemResult, PollError, Source
from lumetry_core.collectors.agent.polling.paths import select
from lumetry_core.runtime.outbound import OutboundRequest


async def fetch_document(source: Source, fetch: Fetch) -> object:
    """The document of a source. Raises PollError."""
    answer = await ask(fetch, OutboundRequest("GET", source.target.base_url, write_headers(source)))
    if not 200 <= answer.status < 300:
        raise PollError(f"the answer has the status {answer.status}")
    try:
        return msgspec.json.decode(answer.body)
    except RecursionError:
        raise PollError("the document is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise PollError("the answer is no JSON, or did not come to its end in time") from None


async def poll_document(item: Item, document: object, now: datetime) -> ItemResult:
    """What an item's path selects in a document. Raises PollError."""
    selected = await asyncio.to_thread(select, item.query, document, MAX_SAMPLES + 1)
    if len(selected) > MAX_SAMPLES:
        raise too_many()
    objects = [each for each in selected if isinstance(each, Mapping)]
    if len(objects) < len(selected):
        return read_mixed(item, selected, now)
    columns = list(dict.fromkeys(name for each in objects for name in each))
    if item.value_column and objects and item.value_column not in columns:
        raise PollError(f"no selected object has a member {item.value_column}; they have {', '.join(columns[:20])}")
    column = item.value_column or choose_column(item, columns or [""], objects)
    return gather(item, pair_scalars(item, column, objects), now)


def read_mixed(item: Item, selected: Sequence[object], now: datetime) -> ItemResult:
    """Values that are numbers themselves. Raises PollError where objects are among them or members are asked for."""
    if item.value_column or item.label_columns:
        raise PollError("the path selects values that are no objects, so they have no members")
    if any(isinstance(each, Mapping) for each in selected):
        raise PollError("the path selects objects and other values; it must select one kind")
    return gather(item, ((each, {}) for each in selected), now)


def pair_scalars(item: Item, column: str, objects: Sequence[Mapping[str, Any]]) -> Sequence[tuple[object, Mapping[str, str]]]:
    """As `pair`; members that are objects or arrays are no labels."""
    plain = ({name: None if isinstance(value, dict | list) else value for name, value in each.items()} for each in objects)
    return list(pair(item, column, plain))
