"""Senders of external alarms: batches of transitions that nobody sent before."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from lumetry_core.bench.connection import BenchError, Connection
from lumetry_core.bench.load import Receipt
from lumetry_core.runtime.clock import SystemClock

DEFINITIONS = 200
"""Alarm definitions at the provider; half of them are mapped."""
REFUSALS = (429, 503)

MakeBatch = Callable[[str, int, int, str], object]
"""Body of a request: the sender's name, number of its first alarm, number of alarms, and the present time."""


@dataclass(slots=True)
class AlarmSender:
    """Sends one batch after another on a connection; see `load.Sender`."""

    connection: Connection
    path: str
    make: MakeBatch
    status: int
    name: str
    batch: int
    number: int = 0
    message: bytes = b""

    def prepare(self) -> None:
        """Makes the next batch."""
        now = SystemClock().now().isoformat(timespec="milliseconds")
        body = msgspec.json.encode(self.make(self.name, self.number, self.batch, now))
        self.message = self.connection.head("POST", self.path, len(body)) + body
        self.number += self.batch

    def send(self) -> Receipt:
        """Sends it and reads the answer."""
        answer = self.connection.send(self.message)
        if answer.status in REFUSALS:
            return Receipt(0, answer.retry_after_seconds)
        if answer.status != self.status:
            raise BenchError(f"a batch was answered {answer.status}: {answer.body[:500].decode(errors='replace')}")
        if self.status == 202 and (counts := msgspec.json.decode(answer.body)) != {"accepted": self.batch, "duplicate": 0}:
            raise BenchError(f"{self.batch} distinct transitions were answered {counts}")
        return Receipt(self.batch)


def definition_key(number: int) -> str:
    """The definition of an alarm; even ones are mapped."""
    return f"bench-definition-{number % DEFINITIONS:03d}"


def mapped_keys() -> list[str]:
    """The definitions that have a node."""
    return [definition_key(number) for number in range(0, DEFINITIONS, 2)]


def generic_batch(name: str, first: int, count: int, now: str) -> dict[str, Any]:
    """A body of the generic provider: each alarm fires for the first time."""
    return {
        "events": [
            {
                "definitionKey": definition_key(number),
                "instanceKey": f"instance-{number % 1000:03d}",
                "occurrenceKey": f"{name}-{number}",
                "state": "Firing",
                "severity": "major",
                "title": f"Disk of instance {number % 1000} is nearly full",
                "occurredAt": now,
                "labels": {"region": "eu-west-1", "team": "storage"},
            }
            for number in range(first, first + count)
        ]
    }


def alertmanager_batch(name: str, first: int, count: int, now: str) -> list[dict[str, Any]]:
    """A body of `POST /api/v2/alerts` with the same alarms."""
    return [
        {
            "labels": {
                "alertname": definition_key(number),
                "instance": f"instance-{number % 1000:03d}",
                "occurrence": f"{name}-{number}",
                "severity": "major",
                "region": "eu-west-1",
                "team": "storage",
            },
            "annotations": {"summary": f"Disk of instance {number % 1000} is nearly full"},
            "startsAt": now,
        }
        for number in range(first, first + count)
    ]
