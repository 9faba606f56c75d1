from dataclasses import replace

import pytest

from lumetry_core.hostagents.drafts import check_beat
from lumetry_core.hostagents.model import Beat, Pack
from lumetry_core.runtime.errors import Fault, Faults, LumetryError

BEAT = Beat("1.0", 3, 1, 42, 2, "Direct", (Pack("host.linux", 1),), ("nginx",))


def faults_of(beat: Beat) -> list[Fault]:
    faults = Faults()
    check_beat(beat, faults)
    try:
        faults.raise_if_any()
    except LumetryError as error:
        return list(error.faults)
    return []


def test_check_beat_keeps_what_is_well_formed() -> None:
    """Packs and software that nobody here knows are the agent's affair; names are trimmed, and a blank version is none."""
    sent = replace(BEAT, version=" ", packs=(Pack(" acme.pack_9-x", 0),), detected_software=("Redis ", " Redis", "nginx"))
    faults = Faults()
    kept = check_beat(sent, faults)
    assert not faults
    assert kept == replace(BEAT, version="", packs=(Pack("acme.pack_9-x", 0),), detected_software=("Redis", "nginx"))


@pytest.mark.parametrize("transport", ["", "Direct", "Collector"])
def test_check_beat_takes_transports(transport: str) -> None:
    """The two that there are, or none."""
    assert faults_of(replace(BEAT, transport=transport)) == []


@pytest.mark.parametrize("transport", ["direct", "Carrier pigeon", " ", "Direct "])
def test_check_beat_refuses_transports(transport: str) -> None:
    """Exactly as they are spelled, as everywhere in bodies."""
    assert faults_of(replace(BEAT, transport=transport)) == [Fault("transport", "must be one of Direct, Collector")]


def test_check_beat_names_every_fault() -> None:
    """Each by its path."""
    beat = Beat("v" * 65, -1, 2**53, -1, -1, "x", (Pack(" ", -1), Pack("a b", 1), Pack("p" * 65, 1)), ("", " ", "s" * 65))
    assert [fault.path for fault in faults_of(beat)] == [
        "version",
        "queueDepth",
        "droppedCount",
        "seriesCount",
        "seriesDropped",
        "transport",
        "packs[0].packId",
        "packs[0].version",
        "packs[1].packId",
        "packs[2].packId",
        "detectedSoftware[0]",
        "detectedSoftware[1]",
        "detectedSoftware[2]",
    ]


def test_check_beat_refuses_too_many() -> None:
    """One fault for a list, not one for each of its elements."""
    beat = replace(BEAT, packs=(Pack("p", 1),) * 65, detected_software=tuple(str(number) for number in range(65)))
    assert [(fault.path, fault.message) for fault in faults_of(beat)] == [
        ("packs", "must have at most 64 elements"),
        ("detectedSoftware", "must have at most 64 elements"),
    ]
