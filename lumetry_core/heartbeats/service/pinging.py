"""Takes pings in (contract monitoring 6.3): whose they are, whether they may come, and what they say."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lumetry_core.heartbeats import machine
from lumetry_core.heartbeats.model import ACCEPTED, MAX_PAYLOAD_BYTES, NOT_FOUND, Heartbeat, Ping, Receipt, Verdict
from lumetry_core.heartbeats.rates import PingRates
from lumetry_core.heartbeats.service.recording import Step, record_steps
from lumetry_core.heartbeats.store import heartbeats as store
from lumetry_core.heartbeats.store import pings as ping_store
from lumetry_core.logs.secret_rules import Options, scrub_text
from lumetry_core.runtime.database import Transaction

SCRUBBING = Options()


@dataclass(frozen=True, slots=True)
class Submission:
    """The pings of one call."""

    pings: Sequence[Ping]


def read_payload(content: bytes) -> str | None:
    """What is kept of a ping's body: its beginning as text, without secrets; None of an empty one."""
    if not content:
        return None
    text = content[:MAX_PAYLOAD_BYTES].decode(errors="replace").replace("\0", "\ufffd")
    return scrub_text(text, SCRUBBING, {})


async def record_pings(tx: Transaction, submissions: Sequence[Submission], rates: PingRates, now: datetime) -> list[list[Receipt]]:
    """Takes the pings of several calls in, in their order; their receipts. What is refused changes nothing.

    Pings of heartbeats that do not exist count against the address that they come from.
    """
    given = {ping.uuid for submission in submissions for ping in submission.pings}
    known = {heartbeat.uuid: heartbeat for heartbeat in await store.lock_by_uuid(tx, given)}
    steps: list[Step] = []
    rows: list[tuple[Heartbeat, Ping, datetime | None, datetime | None]] = []
    receipts = []
    for submission in submissions:
        answered = []
        for ping in submission.pings:
            heartbeat = known.get(ping.uuid)
            receipt = judge(heartbeat, ping, rates, now)
            answered.append(receipt)
            if heartbeat is None or receipt is not ACCEPTED:
                continue
            move = machine.ping(heartbeat, ping.kind, ping.exit_code, ping.payload, now)
            steps.append(Step(heartbeat, move, ping))
            rows.append((heartbeat, ping, *expect(heartbeat)))
            known[ping.uuid] = move.heartbeat
        receipts.append(answered)
    if steps:
        await ping_store.insert_pings(tx, rows, now)
        await record_steps(tx, steps, now)
    return receipts


def judge(heartbeat: Heartbeat | None, ping: Ping, rates: PingRates, now: datetime) -> Receipt:
    """Whether a ping is taken."""
    if heartbeat is None:
        wait = rates.admit_stranger(ping.source_ip, now)
        return Receipt(Verdict.RATE_LIMITED, wait) if wait else NOT_FOUND
    wait = rates.admit(ping.uuid, now)
    return Receipt(Verdict.RATE_LIMITED, wait) if wait else ACCEPTED


def expect(heartbeat: Heartbeat) -> tuple[datetime | None, datetime | None]:
    """When the next ping of a heartbeat is expected and until when it is waited for; None before the first."""
    if heartbeat.last_ping_time is None:
        return None, None
    expected = heartbeat.last_ping_time + timedelta(seconds=heartbeat.interval_seconds)
    return expected, heartbeat.last_ping_time + heartbeat.span
