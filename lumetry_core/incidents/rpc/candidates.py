"""`lumetry.incidents.v1.ProblemCandidateService`."""

from typing import Any

import grpc

from lumetry.incidents.v1 import problem_candidate_service_pb2 as pb
from lumetry.incidents.v1 import problem_candidate_service_pb2_grpc
from lumetry_core.incidents.rpc.encoding import encode_candidate
from lumetry_core.incidents.service import candidates
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller

Context = grpc.aio.ServicerContext[Any, Any]


class ProblemCandidateServicer(problem_candidate_service_pb2_grpc.ProblemCandidateServiceServicer):
    """Reads problem candidates and puts them aside."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def ListProblemCandidates(self, request: pb.ListProblemCandidatesRequest, context: Context) -> pb.ListProblemCandidatesResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await candidates.list_candidates(tx, current_caller(), request.status, request.type, request.limit)
        return pb.ListProblemCandidatesResponse(candidates=[encode_candidate(candidate) for candidate in found])

    async def GetProblemCandidate(self, request: pb.GetProblemCandidateRequest, context: Context) -> pb.GetProblemCandidateResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await candidates.get_candidate(tx, current_caller(), request.id)
        return pb.GetProblemCandidateResponse(candidate=encode_candidate(found))

    async def DismissProblemCandidate(
        self, request: pb.DismissProblemCandidateRequest, context: Context
    ) -> pb.DismissProblemCandidateResponse:
        """See the proto."""
        note = request.note if request.HasField("note") else None
        async with self._database.write() as tx:
            candidate = await candidates.dismiss(tx, current_caller(), request.id, note, self._clock.now())
        return pb.DismissProblemCandidateResponse(candidate=encode_candidate(candidate))
