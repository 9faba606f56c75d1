from collections.abc import AsyncIterator

import grpc
import pytest

from lumetry.incidents.v1 import problem_candidate_service_pb2 as pb
from lumetry.incidents.v1.problem_candidate_service_pb2_grpc import (
    ProblemCandidateServiceStub,
    add_ProblemCandidateServiceServicer_to_server,
)
from lumetry_core.incidents.candidates import reopened_incident
from lumetry_core.incidents.rpc.candidates import ProblemCandidateServicer
from lumetry_core.incidents.store.candidates import upsert_occurrences
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.timestamps import encode_time
from tests.conftest import FakeClock
from tests.core.incidents.building import NOW, ORGANIZATION, an_incident
from tests.core.incidents.rpc.test_incidents import authenticate, bearer, faults_of

SERVICE = "lumetry.incidents.v1.ProblemCandidateService"


@pytest.fixture
async def stub(database: Database, clock: FakeClock) -> AsyncIterator[ProblemCandidateServiceStub]:
    """A client of a running server with one candidate."""
    incident = an_incident(primary_service_node_id=42, primary_ci_node_id=51, reopen_reason="Alert 5 still active")
    async with database.write() as tx:
        await upsert_occurrences(tx, ORGANIZATION, [reopened_incident(incident, 5)], NOW)
    built = build_server(
        "127.0.0.1:0",
        {SERVICE: (add_ProblemCandidateServiceServicer_to_server, ProblemCandidateServicer(database, clock))},
        read_accesses([SERVICE]),
        authenticate,
        reflect=False,
    )
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as opened:
        yield ProblemCandidateServiceStub(opened)
    await built.server.stop(None)


def a_candidate() -> pb.ProblemCandidate:
    return pb.ProblemCandidate(
        id=1,
        type="ReopenedIncident",
        status="Open",
        incident_id=1,
        alert_id=5,
        service_node_id=42,
        ci_node_id=51,
        metric_key="cpu.usage",
        summary="INC-000001 was reopened: Alert 5 still active",
        occurrence_count=1,
        first_seen_time=encode_time(NOW),
        last_seen_time=encode_time(NOW),
    )


async def test_candidates_are_listed_and_read(stub: ProblemCandidateServiceStub) -> None:
    """Everything that is stored, and what is absent stays absent; the filters of the request are used."""
    listed = await stub.ListProblemCandidates(pb.ListProblemCandidatesRequest(), metadata=bearer("viewer"))
    assert list(listed.candidates) == [a_candidate()]
    read = await stub.GetProblemCandidate(pb.GetProblemCandidateRequest(id=1), metadata=bearer("viewer"))
    assert read.candidate == a_candidate()
    filtered = pb.ListProblemCandidatesRequest(status="Open", type="PersistentWatch", limit=1)
    assert not (await stub.ListProblemCandidates(filtered, metadata=bearer("viewer"))).candidates
    wrong = pb.ListProblemCandidatesRequest(status="x", type="y", limit=5001)
    code, faults = await faults_of(stub.ListProblemCandidates(wrong, metadata=bearer("viewer")))
    assert (code, [field for field, _ in faults]) == (grpc.StatusCode.INVALID_ARGUMENT, ["status", "type", "limit"])


async def test_dismiss_needs_its_permission(stub: ProblemCandidateServiceStub, clock: FakeClock) -> None:
    """Viewing is not enough; the answer is the candidate as it is then; unknown ones are not found."""
    request = pb.DismissProblemCandidateRequest(id=1, note="known")
    assert (await faults_of(stub.DismissProblemCandidate(request, metadata=bearer("viewer"))))[0] is grpc.StatusCode.PERMISSION_DENIED
    dismissed = (await stub.DismissProblemCandidate(request, metadata=bearer())).candidate
    expected = a_candidate()
    change = {"status": "Dismissed", "dismiss_time": encode_time(clock.now()), "dismissed_by_user_name": "anna", "dismiss_note": "known"}
    expected.MergeFrom(pb.ProblemCandidate(**change))
    assert dismissed == expected
    for call in (
        stub.GetProblemCandidate(pb.GetProblemCandidateRequest(id=9), metadata=bearer()),
        stub.DismissProblemCandidate(pb.DismissProblemCandidateRequest(id=9), metadata=bearer()),
    ):
        assert await faults_of(call) == (grpc.StatusCode.NOT_FOUND, [])
