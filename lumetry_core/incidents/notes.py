"""What the notes of people may be (contract lumetry 11.3)."""

from lumetry_core.runtime.errors import Faults

MAX_NOTE_LENGTH = 4000


def check_note(note: str, faults: Faults) -> None:
    """Notes what no note may be."""
    faults.check(len(note) <= MAX_NOTE_LENGTH, "note", f"must have at most {MAX_NOTE_LENGTH} characters")
    faults.check("\0" not in note, "note", "must not contain the character NUL")
