"""Batches of log entries: short ones as they are, and long ones of a web service whose identities differ in every batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from lumetry_core.runtime.clock import SystemClock, spell_time

LEVELS = ("debug", "info", "info", "info", "warn", "error")
MARK = "#number###"
MARK_TIME = "2000-01-01T00:00:00.000Z"
LETTERS = str.maketrans("0123456789", "ghijkmnpqr")
"""Long rows of digits would be looked at one by one, for they could be card numbers."""
SERVICES, HOSTS, USERS = 40, 300, 131_072
METHODS = ("GET", "POST", "PUT", "DELETE")
THINGS = ("orders", "invoices", "customers", "carts", "payments", "shipments", "products")
USER_AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36",
    "okhttp/4.12.0",
    "python-requests/2.32.3",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15",
)
SLOWEST_MS, MOST_BYTES, FAILING_PERCENT = 900, 60_000, 5


def make_batch(size: int, lane: int, number: int) -> bytes:
    """Short entries, of about 270 bytes each."""
    now = SystemClock().now().isoformat(timespec="milliseconds")
    entries = [
        {
            "timestamp": now,
            "level": LEVELS[position % len(LEVELS)],
            "message": f"GET /api/orders/{lane}{number:02d}{position:04d} answered 200 in {position % 97} ms",
            "environment": "production",
            "trace_id": f"{lane:02x}{number:06x}{position:08x}",
            "metadata": {"user_id": f"user-{position % 211}", "route": "/api/orders/{id}", "duration_ms": position % 97, "cached": False},
        }
        for position in range(size)
    ]
    return msgspec.json.encode({"logs": entries})


@dataclass(frozen=True, slots=True)
class Sample:
    """An entry of a template, in which the mark stands for the number of its batch."""

    trace_id: str
    order: str
    user_id: str
    bytes_out: int


@dataclass(frozen=True, slots=True)
class Template:
    """A batch of long entries, of about 600 bytes each, and some that one can look for."""

    body: bytes
    samples: Sequence[Sample]

    def fill(self, number: int) -> bytes:
        """The batch with identities of its own, at the present time."""
        now = spell_time(SystemClock().now()).encode()
        return self.body.replace(MARK.encode(), spell_number(number).encode()).replace(MARK_TIME.encode(), now)


def spell_number(number: int) -> str:
    """What takes the place of the mark: as long, so that every batch of a template has the same length."""
    return f"{number:010x}".translate(LETTERS)


def make_template(size: int, seed: int) -> Template:
    """A batch with the variety of a real service: many hosts and users, identities that never come again."""
    draw = np.random.default_rng(seed)
    entries, samples = [], []
    for _ in range(size):
        thing, method = THINGS[draw.integers(len(THINGS))], METHODS[draw.integers(len(METHODS))]
        service, status = f"svc-{draw.integers(SERVICES)}", 500 if draw.integers(100) < FAILING_PERCENT else 200
        sample = Sample(
            trace_id=f"{MARK}{draw.bytes(11).hex()}",
            order=f"{draw.bytes(4).hex()}{MARK}",
            user_id=f"user-{draw.integers(USERS)}",
            bytes_out=int(draw.integers(MOST_BYTES)),
        )
        milliseconds = int(draw.integers(SLOWEST_MS))
        samples.append(sample)
        entries.append(
            {
                "timestamp": MARK_TIME,
                "level": "error" if status == 500 else "info",
                "message": f"{method} /api/v2/{thing}/{sample.order} answered {status} in {milliseconds} ms for {sample.user_id}"
                f" upstream {service} attempt {draw.integers(1, 4)} queue wait {draw.integers(50)} ms",
                "environment": "production",
                "trace_id": sample.trace_id,
                "metadata": {
                    "service": service,
                    "host": f"ip-10-0-0-{draw.integers(HOSTS)}.internal",
                    "request_id": f"{draw.bytes(3).hex()}{MARK}",
                    "user_id": sample.user_id,
                    "route": f"/api/v2/{thing}/{{id}}",
                    "method": method,
                    "status": status,
                    "duration_ms": milliseconds,
                    "bytes_out": sample.bytes_out,
                    "client_ip": ".".join(map(str, (10, *draw.integers(256, size=3)))),
                    "user_agent": USER_AGENTS[draw.integers(len(USER_AGENTS))],
                    "region": "eu-central-1",
                    "pod": f"{service}-{draw.integers(30)}",
                },
            }
        )
    return Template(msgspec.json.encode({"logs": entries}), samples)
