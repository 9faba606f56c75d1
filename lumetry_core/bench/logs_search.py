"""Searches over many stored entries, as people look for them: what is newest, what is rare, what is not there."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import urlencode

import numpy as np

from lumetry_core.bench.connection import BenchError
from lumetry_core.bench.deployment import Server
from lumetry_core.bench.logs_payload import MARK, THINGS, Template, spell_number

PER_KIND = 25


def make_searches(templates: Sequence[Template], stored: Sequence[int], seed: int) -> Iterator[tuple[str, Mapping[str, str], bool]]:
    """Searches in turn: their kind, their parameters, and whether something must be found.

    Args:
        stored: Numbers of the batches that were stored; each is of the template at its remainder.
    """
    draw = np.random.default_rng(seed)
    for number in range(PER_KIND):
        batch = stored[int(draw.integers(len(stored)))]
        samples = templates[batch % len(templates)].samples
        sample = samples[int(draw.integers(len(samples)))]
        own = spell_number(batch)
        yield "the newest 100", {}, True
        yield "a trace", {"trace_id": sample.trace_id.replace(MARK, own)}, True
        yield "an order in a text", {"q": sample.order.replace(MARK, own)}, True
        yield "all of a user", {"metadata.user_id": sample.user_id}, True
        yield "a number in metadata", {"metadata.bytes_out": str(sample.bytes_out)}, True
        yield "two common words and a level", {"q": f"{THINGS[number % len(THINGS)]} answered", "min_level": "error"}, True
        yield "a phrase", {"q": '"answered 500 in"'}, True
        yield "a prefix", {"q": "shipm*"}, True
        yield "a word that is nowhere", {"q": f"nowhere{number}"}, False
        yield "a prefix that is nowhere", {"q": f"zzq{number}*"}, False


def run_searches(
    server: Server, searches: Iterator[tuple[str, Mapping[str, str], bool]], progress: Callable[[str], None]
) -> dict[str, list[float]]:
    """Seconds of each search by kind until it found something or all was looked at, over HTTP, one after another.

    Raises:
        BenchError: A search did not find what is there.
    """
    seconds: dict[str, list[float]] = {}
    with server.connect() as connection:
        for kind, parameters, is_there in searches:
            begin = time.perf_counter()
            found = connection.request("GET", f"/v1/logs?{urlencode(parameters)}").json(200)
            while found["has_more"] and not found["logs"]:  # a page ends after a while even if nothing was found yet
                found = connection.request("GET", f"/v1/logs?{urlencode({**parameters, 'cursor': found['next_cursor']})}").json(200)
            seconds.setdefault(kind, []).append(time.perf_counter() - begin)
            if is_there and not found["logs"]:
                raise BenchError(f"the search for {kind} found nothing: {dict(parameters)}")
    for kind, times in seconds.items():
        progress(f"{kind}: median {np.median(times) * 1e3:.0f} ms, slowest {max(times) * 1e3:.0f} ms")
    return seconds
