"""ViolationService on the wire."""

from typing import Any

import grpc

from lumetry.violations.v1 import violation_pb2
from lumetry.violations.v1 import violation_service_pb2 as pb
from lumetry.violations.v1.violation_service_pb2_grpc import ViolationServiceServicer
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import decode_time, encode_time
from lumetry_core.violations import service
from lumetry_core.violations.model import Violation

Context = grpc.aio.ServicerContext[Any, Any]


class ViolationServicer(ViolationServiceServicer):
    """Reads violations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ListViolations(self, request: pb.ListViolationsRequest, context: Context) -> pb.ListViolationsResponse:
        """See the proto."""
        query = decode_query(request)
        async with self._database.read() as tx:
            found = await service.search_violations(tx, current_caller(), query)
        return pb.ListViolationsResponse(violations=[encode_violation(violation) for violation in found])


def decode_query(request: pb.ListViolationsRequest) -> service.ViolationQuery:
    """The filters of a request. Fails with VALIDATION_FAILED when a time is outside the calendar."""
    faults = Faults()
    start_time = decode_time(request.start_time, "from", faults) if request.HasField("start_time") else None
    end_time = decode_time(request.end_time, "to", faults) if request.HasField("end_time") else None
    faults.raise_if_any()
    return service.ViolationQuery(
        metric_key=request.metric_key,
        rule_id=request.rule_id if request.HasField("rule_id") else None,
        severity=request.severity,
        start_time=start_time,
        end_time=end_time,
        dimension_key=request.dimension_key if request.HasField("dimension_key") else None,
        limit=request.limit,
    )


def encode_violation(violation: Violation) -> violation_pb2.Violation:
    """A violation."""
    return violation_pb2.Violation(
        id=violation.id,
        rule_id=violation.rule_id,
        metric_key=violation.metric_key,
        time=encode_time(violation.time),
        actual_value=violation.actual_value,
        expected_value=violation.expected_value,
        lower_threshold=violation.lower_threshold,
        upper_threshold=violation.upper_threshold,
        direction=violation.direction,
        severity=violation.severity,
        rule_name=violation.rule_name,
        metric_display_name=violation.metric_display_name,
        deviation_percent=violation.deviation_percent,
        baseline_confidence=violation.baseline_confidence,
        detect_time=encode_time(violation.detect_time),
        alert_level_id=violation.alert_level_id,
        dimension_key=violation.dimension_key,
        alert_id=violation.alert_id,
        is_late=violation.is_late,
    )
