"""The routes of explanations and of problem candidates (contract lumetry 12.2, 19.4, 19.8)."""

from gateway.contracts.lumetry import incidents, problem_candidates
from gateway.contracts.lumetry.alerts import NoteBody
from gateway.transcode.channel import Rpc, find_rpc
from gateway.transcode.routes import Route
from lumetry.incidents.v1 import incident_service_pb2, problem_candidate_service_pb2


def candidate_rpc(method: str) -> Rpc:
    """An RPC of the service of problem candidates."""
    return find_rpc(problem_candidate_service_pb2.DESCRIPTOR, "ProblemCandidateService", method)


EXPLANATION = (
    Route(
        method="GET",
        path="/api/incidents/{id:int}/explanation",
        heading="Why an incident has its members",
        rpc=find_rpc(incident_service_pb2.DESCRIPTOR, "IncidentService", "ExplainIncident"),
        decode=incidents.decode_explain_incident,
        encode=incidents.encode_explain_incident,
        answer=incidents.IncidentExplanation,
    ),
)

PROBLEM_CANDIDATES = (
    Route(
        method="GET",
        path="/api/problem-candidates",
        heading="List problem candidates",
        rpc=candidate_rpc("ListProblemCandidates"),
        query=problem_candidates.CandidateFilters,
        decode=problem_candidates.decode_list_candidates,
        encode=problem_candidates.encode_list_candidates,
        answer=list[problem_candidates.ProblemCandidate],
    ),
    Route(
        method="POST",
        path="/api/problem-candidates/{id:int}/dismiss",
        heading="Dismiss a problem candidate",
        rpc=candidate_rpc("DismissProblemCandidate"),
        body=NoteBody,
        body_optional=True,
        decode=problem_candidates.decode_dismiss_candidate,
        encode=problem_candidates.encode_dismiss_candidate,
        answer=problem_candidates.ProblemCandidate,
        existence=(candidate_rpc("GetProblemCandidate"), problem_candidates.decode_get_candidate),
    ),
)

INCIDENT_ROUTES = (*EXPLANATION, *PROBLEM_CANDIDATES)
