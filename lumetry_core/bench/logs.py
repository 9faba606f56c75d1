"""`lumetry bench logs`: log entries from acceptance to search over HTTP."""

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from lumetry_core.bench.connection import BenchError, Connection
from lumetry_core.bench.deployment import Server, run_server
from lumetry_core.bench.load import Load, Receipt, run_closed_loop
from lumetry_core.bench.measuring import median
from lumetry_core.bench.report import Better, Figure, Report, disturbance_figure, disturbance_notes, is_valid, summarize_latency
from lumetry_core.bench.usage import Disturbance, describe_machine, wait_until_idle
from lumetry_core.runtime.clock import SystemClock

BODIES = 16
"""Different batches, sent in turn; entries within a batch differ as well."""
LEVELS = ("debug", "info", "info", "info", "warn", "error")
WARM_UP_SECONDS = 1.0
PROBES = 20
LONGEST_VISIBLE_SECONDS = 30.0
POLL_SECONDS = 0.01
REFUSALS = (429, 503)


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What to measure."""

    seconds: float = 10.0
    batch: int = 1000
    rounds: int = 2
    connections: int = 8
    database_url: str = ""


@dataclass(slots=True)
class LogSender:
    """Sends one batch after another on a connection; see `load.Sender`."""

    connection: Connection
    messages: Sequence[bytes]
    batch: int
    number: int = 0

    def prepare(self) -> None:
        """Chooses the next batch."""
        self.number = (self.number + 1) % len(self.messages)

    def send(self) -> Receipt:
        """Sends it and reads the answer."""
        answer = self.connection.send(self.messages[self.number])
        if answer.status == 200:
            return Receipt(self.batch)
        if answer.status in REFUSALS:
            return Receipt(0, answer.retry_after_seconds)
        raise BenchError(f"a batch was answered {answer.status}: {answer.body[:500].decode(errors='replace')}")


def run_logs(options: LogOptions, progress: Callable[[str], None]) -> Report:
    """Starts a server, loads it in rounds, and looks how soon an entry is found after its answer, idle and under load.

    Raises:
        BenchError: The server failed or an accepted entry was not found.
    """
    machine, disturbed = describe_machine()
    rates, cpu_seconds, shares = [], [], []
    answers: list[float] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lumetry-bench-")))
        progress("starting the server")
        server = stack.enter_context(run_server(folder, options.database_url))
        load(server, options, WARM_UP_SECONDS)
        for number in range(1, options.rounds + 1):
            wait_until_idle(server.tree)
            disturbance = Disturbance(server.tree)
            used = server.tree.cpu_seconds()
            done = load(server, options, options.seconds)
            cpu_seconds.append((server.tree.cpu_seconds() - used) / done.accepted_points * 1e6)
            shares.append(disturbance.share())
            rates.append(done.accepted_points / (done.end - done.start))
            answers += done.answer_seconds
            progress(f"round {number}: {rates[-1]:,.0f} entries/s, {cpu_seconds[-1]:.1f} CPU-s per million")
        visible = [measure_visibility(server, number) for number in range(PROBES)]
        memory = server.tree.resident_bytes()
    answered, seen, foreign = summarize_latency(answers), summarize_latency(visible), max(shares)
    figures = [
        Figure("accepted", median(rates), "entries/s", 50_000),
        Figure("CPU per million", median(cpu_seconds), "s", better=Better.LOWER),
        Figure("p50 of the answer at full load", answered.p50_ms, "ms", better=Better.LOWER),
        Figure("p99 of the answer at full load", answered.p99_ms, "ms", better=Better.LOWER),
        Figure("answered to found by search, worst", seen.max_ms, "ms", 1000, better=Better.LOWER),
        Figure("memory after (RSS)", memory / 1e6, "MB", better=Better.LOWER),
        disturbance_figure(foreign),
    ]
    return Report(
        f"Ingestion of {options.batch}-entry batches of logs",
        {
            "seconds": options.seconds,
            "rounds": options.rounds,
            "connections": options.connections,
            "database": "PostgreSQL" if options.database_url else "SQLite",
            **machine,
        },
        figures,
        ["accepted: answered 200, which follows the commit and its sync", *disturbed, *disturbance_notes(foreign)],
        {"rates": rates, "answers": msgspec.to_builtins(answered), "visibility": msgspec.to_builtins(seen)},
        valid=is_valid(foreign),
    )


def load(server: Server, options: LogOptions, seconds: float) -> Load:
    """Sends batches as fast as they are answered."""
    with ExitStack() as stack:
        senders = []
        for lane in range(options.connections):
            connection = stack.enter_context(server.connect())
            messages = [make_message(connection, make_batch(options.batch, lane, number)) for number in range(BODIES)]
            senders.append(LogSender(connection, messages, options.batch))
        return run_closed_loop(senders, seconds)


def measure_visibility(server: Server, number: int) -> float:
    """Seconds from the answer to a batch until search finds it.

    Raises:
        BenchError: It never did.
    """
    marker = f"probe-{number:04d}-{time.time_ns()}"
    with server.connect() as connection:
        now = SystemClock().now().isoformat()
        entry = {"timestamp": now, "level": "info", "message": "probe", "trace_id": marker}
        query = urlencode({"trace_id": marker, "from": now})
        connection.request("POST", "/v1/logs", {"logs": [entry]}).json(200)
        begin = time.perf_counter()
        while time.perf_counter() < begin + LONGEST_VISIBLE_SECONDS:
            if connection.request("GET", f"/v1/logs?{query}").json(200)["logs"]:
                return time.perf_counter() - begin
            time.sleep(POLL_SECONDS)
    raise BenchError("an accepted entry was not found")


def make_message(connection: Connection, body: bytes) -> bytes:
    """A whole request."""
    return connection.head("POST", "/v1/logs", len(body)) + body


def make_batch(size: int, lane: int, number: int) -> bytes:
    """Entries as an ordinary web service writes them."""
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
