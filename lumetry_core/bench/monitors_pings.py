"""Senders of pings."""

from collections.abc import Sequence
from dataclasses import dataclass

from lumetry_core.bench.connection import BenchError, Connection
from lumetry_core.bench.load import Receipt

REFUSALS = (429, 503)


@dataclass(slots=True)
class PingSender:
    """Pings heartbeats in turn on a connection; see `load.Sender`."""

    connection: Connection
    uuids: Sequence[str]
    number: int = 0
    message: bytes = b""

    def prepare(self) -> None:
        """Makes the next ping."""
        self.message = self.connection.head("GET", f"/ping/{self.uuids[self.number % len(self.uuids)]}", 0)
        self.number += 1

    def send(self) -> Receipt:
        """Sends it and reads the answer; what one heartbeat may not get goes to the next."""
        answer = self.connection.send(self.message)
        if answer.status in REFUSALS:
            self.prepare()
            return Receipt(0)
        if answer.status != 200:
            raise BenchError(f"a ping was answered {answer.status}: {answer.body[:500].decode(errors='replace')}")
        return Receipt(1)
