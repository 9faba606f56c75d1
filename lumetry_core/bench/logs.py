"""`lumetry bench logs`: log entries from acceptance to search and live tail over HTTP, and searches over many."""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from lumetry_core.bench.connection import BenchError, Connection
from lumetry_core.bench.deployment import Server, run_server
from lumetry_core.bench.load import Load, Receipt, run_closed_loop
from lumetry_core.bench.logs_payload import Template, make_batch, make_template
from lumetry_core.bench.logs_search import make_searches, run_searches
from lumetry_core.bench.logs_tail import measure_tail
from lumetry_core.bench.measuring import median
from lumetry_core.bench.report import Better, Figure, Report, disturbance_figure, disturbance_notes, is_valid, summarize_latency
from lumetry_core.bench.usage import Disturbance, describe_machine, wait_until_idle
from lumetry_core.runtime.clock import SystemClock

BODIES = 16
"""Different batches, sent in turn; entries within a batch differ as well."""
TEMPLATES = 64
"""Different batches of long entries, filled with new identities each time."""
FILL_SECONDS = 5.0
SEALED_SECONDS = 600.0
LAST_BLOCKS_SECONDS = 25.0
"""Few blocks wait so long for others before they are sealed."""
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
    entries: int = 1_000_000
    """Long entries that searches have to deal with; 0: none is made and nothing is searched for."""
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


@dataclass(slots=True)
class Filler:
    """Sends batches of long entries whose identities never come again; see `load.Sender`."""

    connection: Connection
    templates: Sequence[Template]
    numbers: Iterator[int]
    """Of batches; shared by all senders."""
    stored: list[int] = field(default_factory=list)
    raw_bytes: int = 0
    _message: bytes = b""
    _number: int = 0

    def prepare(self) -> None:
        """Fills the next template."""
        self._number = next(self.numbers)
        self._message = make_message(self.connection, self.templates[self._number % len(self.templates)].fill(self._number))

    def send(self) -> Receipt:
        """Sends it and reads the answer."""
        answer = self.connection.send(self._message)
        if answer.status in REFUSALS:
            return Receipt(0, answer.retry_after_seconds)
        done = answer.json(200)
        self.stored.append(self._number)
        self.raw_bytes += done["bytes_used"]
        return Receipt(done["processed"])


@dataclass(frozen=True, slots=True)
class Filling:
    """What filling came to."""

    stored: Sequence[int]
    entries: int
    raw_bytes: int
    seconds: float
    sealing_seconds: float
    disk_bytes: int


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
        tail = measure_tail(server)
        further, measured = measure_searches(server, options, progress) if options.entries else ([], {})
    answered, seen, tailed, foreign = summarize_latency(answers), summarize_latency(visible), summarize_latency(tail), max(shares)
    figures = [
        Figure("accepted", median(rates), "entries/s", 100_000, 300_000),
        Figure("CPU per million", median(cpu_seconds), "s", better=Better.LOWER),
        Figure("p50 of the answer at full load", answered.p50_ms, "ms", better=Better.LOWER),
        Figure("p99 of the answer at full load", answered.p99_ms, "ms", better=Better.LOWER),
        Figure("answered to found by search, worst", seen.max_ms, "ms", 1000, better=Better.LOWER),
        Figure("answered to sent on a live tail, worst", tailed.max_ms, "ms", 200, better=Better.LOWER),
        Figure("memory after (RSS)", memory / 1e6, "MB", better=Better.LOWER),
        *further,
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
        {"rates": rates, "answers": msgspec.to_builtins(answered), "visibility": msgspec.to_builtins(seen), "tail": tail, **measured},
        valid=is_valid(foreign),
    )


def measure_searches(
    server: Server, options: LogOptions, progress: Callable[[str], None]
) -> tuple[Sequence[Figure], Mapping[str, Sequence[float]]]:
    """Stores many long entries and searches them once they are sealed; figures, and the seconds of each search by kind.

    Raises:
        BenchError: A search did not find what is there.
    """
    templates = [make_template(options.batch, seed) for seed in range(TEMPLATES)]
    filling = fill(server, options, templates, progress)
    soon = run_searches(server, make_searches(templates, filling.stored, len(filling.stored)), progress)
    progress("waiting until the last blocks are sealed")
    time.sleep(LAST_BLOCKS_SECONDS)
    wait_until_idle(server.tree, longest_seconds=SEALED_SECONDS)
    seconds = run_searches(server, make_searches(templates, filling.stored, len(filling.stored) + 1), progress)
    times = summarize_latency([moment for kind in seconds.values() for moment in kind])
    early = summarize_latency([moment for kind in soon.values() for moment in kind])
    return [
        Figure("long entries stored", filling.entries, ""),
        Figure("bytes of a long entry", filling.raw_bytes / filling.entries, "B", better=Better.LOWER),
        Figure("accepted, long entries", filling.entries / filling.seconds, "entries/s"),
        Figure("until nearly all were sealed and indexed, after the last", filling.sealing_seconds, "s", better=Better.LOWER),
        Figure("bytes on disk per byte received", filling.disk_bytes / filling.raw_bytes, "", better=Better.LOWER),
        Figure("p99 of a search, while the last blocks are not sealed yet", early.p99_ms, "ms", better=Better.LOWER),
        Figure("p50 of a search", times.p50_ms, "ms", better=Better.LOWER),
        Figure("p99 of a search", times.p99_ms, "ms", 300, better=Better.LOWER),
    ], {f"search for {kind}": list(values) for kind, values in seconds.items()}


def fill(server: Server, options: LogOptions, templates: Sequence[Template], progress: Callable[[str], None]) -> Filling:
    """Sends as many long entries as asked for, and waits until they are sealed."""
    before = disk_bytes(server.folder)
    numbers = count()
    entries, seconds = 0, 0.0
    with ExitStack() as stack:
        fillers = [Filler(stack.enter_context(server.connect()), templates, numbers) for _ in range(options.connections)]
        while entries < options.entries:
            done = run_closed_loop(fillers, FILL_SECONDS)
            entries += done.accepted_points
            seconds += done.end - done.start
            progress(f"{entries:,} long entries stored, {entries / seconds:,.0f} per second")
    begin = time.perf_counter()
    wait_until_idle(server.tree, longest_seconds=SEALED_SECONDS)
    return Filling(
        stored=sorted(number for filler in fillers for number in filler.stored),
        entries=entries,
        raw_bytes=sum(filler.raw_bytes for filler in fillers),
        seconds=seconds,
        sealing_seconds=time.perf_counter() - begin,
        disk_bytes=disk_bytes(server.folder) - before,
    )


def disk_bytes(folder: Path) -> int:
    """Bytes of all files of a deployment."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


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
