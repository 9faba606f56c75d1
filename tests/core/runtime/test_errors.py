import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from lumetry.error.v1 import error_reason_pb2
from lumetry_core.runtime.errors import Fault, Faults, LumetryError, Reason, not_found
from lumetry_core.runtime.failures import CODE_OF

PROTO = Path(__file__).resolve().parents[3] / "proto" / "lumetry" / "error" / "v1" / "error_reason.proto"
CODES = "|".join(code.name for code in grpc.StatusCode)


def test_reason_mirrors_the_proto() -> None:
    """Each published reason exists in the core under its name without prefix, in order, and no other does."""
    published = [name.removeprefix("ERROR_REASON_") for name, number in error_reason_pb2.ErrorReason.items() if number]
    assert [reason.value for reason in Reason] == published
    assert [reason.name for reason in Reason] == published


def test_code_of_knows_every_reason() -> None:
    """No reason can be raised that has no status code."""
    assert list(CODE_OF) == list(Reason)


def test_code_of_agrees_with_what_the_proto_documents() -> None:
    """The code that a reason's comment names, where it names one, is the one sent."""
    documented = {}
    for comment, name in re.findall(r"((?:  //.*\n)+)  ERROR_REASON_(\w+) = ", PROTO.read_text()):
        named = re.findall(rf"\b({CODES})\b(?=[.\s])", re.sub(r"Example:.*", "", comment, flags=re.DOTALL))
        if named:
            documented[name] = named[-1]
    assert len(documented) >= 12
    assert {name: CODE_OF[Reason(name)].name for name in documented} == documented


def test_error_passes_through_context_managers() -> None:
    """The exception takes the traceback that context managers assign."""

    @contextlib.contextmanager
    def block() -> Iterator[None]:
        yield

    with pytest.raises(LumetryError, match="gone") as failure, block():
        raise LumetryError(Reason.CONFLICT, "gone", type="Alert", id="7")
    error = failure.value
    assert (error.reason, error.message, error.faults, error.metadata) == (Reason.CONFLICT, "gone", (), {"type": "Alert", "id": "7"})


def test_faults_collects_everything_before_it_raises() -> None:
    """All faults come in one failure, in the order in which they were found."""
    faults = Faults()
    faults.check(True, "name", "must be given")
    assert not faults
    faults.raise_if_any()
    faults.check(False, "edges[0]", "must be known")
    faults.add("", "is too much")
    assert faults
    with pytest.raises(LumetryError) as failure:
        faults.raise_if_any("Not this way.")
    assert (failure.value.reason, failure.value.message) == (Reason.VALIDATION_FAILED, "Not this way.")
    assert failure.value.faults == (Fault("edges[0]", "must be known"), Fault("", "is too much"))


def test_not_found_names_what_is_missing() -> None:
    """Text for people, type and id for programs."""
    error = not_found("Alert", 9012)
    assert (error.reason, error.message, error.metadata) == (
        Reason.NOT_FOUND,
        "Alert 9012 does not exist.",
        {"type": "Alert", "id": "9012"},
    )
