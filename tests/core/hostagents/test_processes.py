import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lumetry_core.hostagents.processes import (
    KEPT,
    MAX_GONE,
    Entry,
    Process,
    Seen,
    Update,
    check_report,
    compare,
    external_id_of,
    judge_age,
)
from lumetry_core.runtime.errors import Faults, LumetryError
from tests.core.hostagents.fleet import process

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
BEFORE = NOW - timedelta(minutes=1)
LONG_AGO = NOW - timedelta(days=2)


def entry(executable: str, gone_time: datetime | None = None, count: int = 1) -> Entry:
    return Entry(executable, executable, count, LONG_AGO, gone_time)


def stored(*entries: Entry) -> dict[str, Entry]:
    return {each.executable: each for each in entries}


def test_check_report_fills_in_identities() -> None:
    """Without an identity, or with a blank one, the executable is it; nothing else changes but blanks around identities."""
    sent = [process("nginx", " web "), process("a b/c", ""), process(" d", " ")]
    assert [each.identity for each in check_report(NOW, sent, Faults())] == ["web", "a b/c", " d"]
    assert check_report(NOW, sent, Faults()) == [
        replace(each, identity=identity) for each, identity in zip(sent, ("web", "a b/c", " d"), strict=True)
    ]


def test_check_report_names_every_fault() -> None:
    """Every fault of every process is named by its path, the missing time too."""
    faulty = [
        Process("", "", 0, -1.0, math.nan, -1),
        process("a", "b" * 256),
        process("a"),
        process("tab\there", "tab"),
        Process("huge", "huge", 2**31 - 1, math.inf, 1e300, 2**53),
        process(" "),
    ]
    with pytest.raises(LumetryError) as caught:
        check_report(None, faulty, Faults())
    assert [fault.path for fault in caught.value.faults] == [
        "collectedAt",
        "processes[0].executable",
        "processes[0].instanceCount",
        "processes[0].cpuPercent",
        "processes[0].memoryPercent",
        "processes[0].rssBytes",
        "processes[1].identity",
        "processes[2].executable",
        "processes[3].executable",
        "processes[4].cpuPercent",
        "processes[4].rssBytes",
        "processes[5].executable",
    ]


def test_check_report_refuses_too_many() -> None:
    """A thousand processes are taken, one more is one fault."""
    names = [process(f"p{number}") for number in range(1001)]
    assert len(check_report(NOW, names[:1000], Faults())) == 1000
    with pytest.raises(LumetryError) as caught:
        check_report(NOW, names, Faults())
    assert [(fault.path, fault.message) for fault in caught.value.faults] == [("processes", "must have at most 1000 elements")]


def test_compare_writes_only_what_changed() -> None:
    """The same report again changes nothing; another count is written and is nothing new."""
    known = stored(entry("a"), entry("b"))
    assert compare(known, BEFORE, [process("a"), process("b")], NOW) == Update([], set(), [])
    assert compare(known, BEFORE, [process("a"), process("b", count=3)], NOW) == Update([entry("b", count=3)], set(), [])


def test_compare_tells_what_appeared() -> None:
    """New, back again, or under another identity."""
    known = stored(entry("back", BEFORE), entry("renamed"))
    update = compare(known, BEFORE, [process("back"), process("new"), process("renamed", "other")], NOW)
    appeared = [entry("back"), Entry("new", "new", 1, NOW), replace(entry("renamed"), identity="other")]
    assert update == Update(appeared, set(), appeared)


def test_compare_keeps_what_went_for_a_week() -> None:
    """It was seen last with the report before; what went longer ago than a week is forgotten."""
    known = stored(entry("went"), entry("old", NOW - KEPT), entry("older", NOW - timedelta(days=6)))
    assert compare(known, BEFORE, [], NOW) == Update([entry("went", BEFORE)], {"old"}, [])


def test_compare_keeps_a_bounded_number() -> None:
    """A host on which ever new executables run does not fill the store: those that went first are forgotten."""
    known = stored(*(entry(f"p{number:04}", NOW - timedelta(minutes=number + 2)) for number in range(MAX_GONE)))
    update = compare(known | stored(entry("went")), BEFORE, [], NOW)
    assert update == Update([entry("went", BEFORE)], {f"p{MAX_GONE - 1:04}"}, [])


def test_judge_age_by_the_report() -> None:
    """What the newest report has is as old as that; stale means ten minutes."""
    running, gone = entry("a"), entry("b", LONG_AGO)
    assert judge_age(running, BEFORE, NOW) == Seen(running, BEFORE, BEFORE + timedelta(minutes=10), False)
    assert judge_age(running, BEFORE, BEFORE + timedelta(minutes=10)).is_stale
    assert judge_age(gone, BEFORE, NOW) == Seen(gone, LONG_AGO, LONG_AGO + timedelta(minutes=10), True)


def test_external_id_of_long_identities_stays_unique() -> None:
    """It fits into a node, and two identities never share it."""
    assert external_id_of("nginx") == "process:nginx"
    long = [external_id_of("x" * 254 + last) for last in "ab"]
    assert [len(each) for each in long] == [255, 255]
    assert long[0] != long[1]
