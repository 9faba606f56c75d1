"""Problem candidates (contract lumetry 12.2, 19.8)."""

from typing import Literal

import msgspec

from gateway.contracts.lumetry.alerts import NoteBody
from gateway.contracts.lumetry.values import Limit, Time, optional_time, optional_value
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.incidents.v1 import problem_candidate_service_pb2 as pb


class CandidateFilters(msgspec.Struct, rename="camel"):
    """Which candidates."""

    status: Literal["Open", "Dismissed"] | None = None
    type: Literal["PersistentWatch", "ReopenedIncident", "RepeatedNonImpact"] | None = None
    limit: Limit = 500


class ProblemCandidate(msgspec.Struct, rename="camel"):
    """A hint that points to a problem behind incidents."""

    id: int
    type: str
    status: str
    incident_id: int | None
    alert_id: int | None
    service_node_id: int | None
    ci_node_id: int | None
    metric_id: str | None
    summary: str
    occurrence_count: int
    first_seen_at: Time
    last_seen_at: Time
    dismissed_at: Time | None
    dismissed_by_user_name: str | None
    dismiss_note: str | None


def decode_list_candidates(request: Request) -> pb.ListProblemCandidatesRequest:
    """12.2 `GET /api/problem-candidates`."""
    filters = request.query(CandidateFilters)
    return pb.ListProblemCandidatesRequest(status=filters.status or "", type=filters.type or "", limit=filters.limit)


def encode_list_candidates(reply: pb.ListProblemCandidatesResponse, _asked: object) -> list[ProblemCandidate]:
    """12.2 the list."""
    return [encode_candidate(candidate) for candidate in reply.candidates]


def decode_get_candidate(request: Request) -> pb.GetProblemCandidateRequest:
    """Whether there is the candidate of a route."""
    return pb.GetProblemCandidateRequest(id=request.number("id"))


def decode_dismiss_candidate(request: Request) -> pb.DismissProblemCandidateRequest:
    """19.8 `POST /api/problem-candidates/{id}/dismiss`."""
    return pb.DismissProblemCandidateRequest(id=request.number("id"), note=request.body(NoteBody, optional=True).note)


def encode_dismiss_candidate(reply: pb.DismissProblemCandidateResponse, _asked: object) -> ProblemCandidate:
    """19.8 the dismissed candidate."""
    return encode_candidate(reply.candidate)


def encode_candidate(candidate: pb.ProblemCandidate) -> ProblemCandidate:
    """12.2 a candidate."""
    return ProblemCandidate(
        id=candidate.id,
        type=candidate.type,
        status=candidate.status,
        incident_id=optional_value(candidate, "incident_id"),
        alert_id=optional_value(candidate, "alert_id"),
        service_node_id=optional_value(candidate, "service_node_id"),
        ci_node_id=optional_value(candidate, "ci_node_id"),
        metric_id=optional_value(candidate, "metric_key"),
        summary=candidate.summary,
        occurrence_count=candidate.occurrence_count,
        first_seen_at=format_time(candidate.first_seen_time),
        last_seen_at=format_time(candidate.last_seen_time),
        dismissed_at=optional_time(candidate, "dismiss_time"),
        dismissed_by_user_name=optional_value(candidate, "dismissed_by_user_name"),
        dismiss_note=optional_value(candidate, "dismiss_note"),
    )
