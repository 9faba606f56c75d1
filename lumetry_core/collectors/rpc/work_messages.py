"""Work on the wire."""

from datetime import UTC

from lumetry.collectors.v1 import work_pb2 as pb
from lumetry_core.collectors.work import ClaimedWork, NotificationPayload, Outcome, Sample, SourcePayload, WorkKind
from lumetry_core.runtime.clock import truncate
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from lumetry_core.runtime.timestamps import encode_time


def encode_work(claimed: ClaimedWork) -> pb.WorkItem:
    """Claimed work."""
    item, payload = claimed.item, claimed.payload
    message = pb.WorkItem(
        claim_id=item.claim_id,
        claim_token=claimed.token,
        lease_expire_time=None if item.lease_expire_time is None else encode_time(item.lease_expire_time),
        budget_ms=item.budget_ms,
    )
    if isinstance(payload, NotificationPayload):
        message.notification.CopyFrom(encode_notification(payload))
    elif item.kind is WorkKind.SOURCE_TEST:
        message.source_test.CopyFrom(encode_source(payload))
    else:
        message.poll.CopyFrom(encode_source(payload))
    return message


def encode_source(payload: SourcePayload) -> pb.SourceWork:
    """A metric source to ask."""
    source, target = payload.source, payload.source.target
    return pb.SourceWork(
        source_id=payload.source_id,
        type=source.type,
        target=pb.SourceTarget(
            base_url=target.base_url,
            username=target.username,
            host=target.host,
            port=target.port,
            database=target.database,
            tls=target.tls,
        ),
        secret=source.secret,
        items=[
            pb.SourceItem(metric_key=item.metric_key, query=item.query, value_column=item.value_column, label_columns=item.label_columns)
            for item in source.items
        ],
        timeout_ms=round(source.timeout_seconds * 1000),
    )


def encode_notification(payload: NotificationPayload) -> pb.NotificationWork:
    """A notification to deliver."""
    return pb.NotificationWork(
        delivery_id=payload.delivery_id, url=payload.url, method=payload.method, headers=payload.headers, body=payload.body
    )


def decode_outcome(message: pb.WorkOutcome) -> Outcome:
    """What came of work. Fails with VALIDATION_FAILED when a sample's time is none of the calendar."""
    return Outcome(
        succeeded=message.succeeded,
        error=message.error,
        duration_ms=message.duration_ms,
        sample_count=message.sample_count,
        samples=tuple(decode_sample(sample, position) for position, sample in enumerate(message.samples)),
        status_code=message.status_code,
        reached=message.reached,
    )


def decode_sample(message: pb.WorkSample, position: int) -> Sample:
    """A sample that a tested source shows."""
    try:
        time = truncate(message.time.ToDatetime(UTC)) if message.HasField("time") else None
    except (ValueError, OverflowError):
        fault = Fault(f"result.sample[{position}].timestamp", "is not a time")
        raise LumetryError(Reason.VALIDATION_FAILED, "The request is not valid.", faults=(fault,)) from None
    return Sample(message.metric_key, time, message.value, dict(message.labels))
