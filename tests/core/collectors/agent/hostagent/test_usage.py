"""What processes use between two readings."""

from datetime import UTC, datetime

from lumetry_core.collectors.agent.hostagent.usage import (
    BUSIEST,
    STILL_BUSY,
    Process,
    ProcessReading,
    Usage,
    choose_busiest,
    measure_usage,
)

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
GIB = 1024**3


def reading(elapsed: float, processes: dict[tuple[int, float], Process], memory: int = 4 * GIB) -> ProcessReading:
    return ProcessReading(NOW, elapsed, memory, processes)


def usage(name: str, cpu: float, rss: int) -> Usage:
    return Usage(name, 1, cpu, 0.0, rss)


def test_measure_usage_of_several_processes() -> None:
    """The processes of one executable count together; one that began in between has used all its time in between."""
    before = reading(100.0, {(1, 1.0): Process("init", 5.0, GIB), (7, 2.0): Process("nginx", 10.0, GIB // 4)})
    after = reading(
        110.0,
        {
            (1, 1.0): Process("init", 5.0, GIB),
            (7, 2.0): Process("nginx", 12.0, GIB // 4),
            (8, 105.0): Process("nginx", 1.5, GIB // 4),
        },
    )
    assert measure_usage(before, after) == [Usage("init", 1, 0.0, 25.0, GIB), Usage("nginx", 2, 35.0, 12.5, GIB // 2)]


def test_measure_usage_of_a_reused_number() -> None:
    """A process that got the number of one that ended is another process: nothing of the old one is subtracted."""
    before = reading(0.0, {(7, 1.0): Process("nginx", 100.0, 1)})
    after = reading(10.0, {(7, 5.0): Process("nginx", 3.0, 1)})
    assert measure_usage(before, after) == [Usage("nginx", 1, 30.0, 0.0, 1)]


def test_measure_usage_without_time_or_memory() -> None:
    """Two readings of one moment, and a host that does not show its memory, divide by nothing."""
    same = reading(5.0, {(1, 1.0): Process("init", 5.0, 100)}, memory=0)
    assert measure_usage(same, same) == [Usage("init", 1, 0.0, 0.0, 100)]


def test_choose_busiest_by_processor_and_memory() -> None:
    """Those that use most of the processor and those that use most of the memory are chosen, equals by name."""
    idle = [usage(f"idle-{number:02}", 0.0, 0) for number in range(40)]
    chosen = choose_busiest([usage("busy", 90.0, 0), usage("large", 0.0, GIB), *idle], frozenset())
    assert chosen == {"busy", "large", *(f"idle-{number:02}" for number in range(BUSIEST - 2))}


def test_choose_busiest_again() -> None:
    """One that was chosen stays while it is nearly among the busiest, and goes when it is not."""
    ranked = [usage(f"p{number:02}", 100.0 - number, 100 - number) for number in range(50)]
    nearly, far = f"p{STILL_BUSY - 1:02}", f"p{STILL_BUSY:02}"
    assert choose_busiest(ranked, {nearly, far}) == {*(f"p{number:02}" for number in range(BUSIEST)), nearly}
