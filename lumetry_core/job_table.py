"""Evaluation jobs as the command line shows them."""

import json
from collections.abc import Sequence
from datetime import datetime

from lumetry_core.evaluation.model import JobReceipt

NOTHING = "-"


def render_lines(jobs: Sequence[JobReceipt]) -> str:
    """One line for each failed job, its columns between tabs; what cannot be printed in an error is shown as a question mark."""
    lines = []
    for job in jobs:
        error = "".join(character if character.isprintable() else "?" for character in job.last_error or NOTHING)
        times = show_time(job.point_time) or NOTHING, show_time(job.fail_time) or NOTHING
        lines.append(f"{job.id}\t{job.batch_id}\t{job.metric_key or NOTHING}\t{times[0]}\t{job.attempt_count}\t{error}\t{times[1]}\n")
    return "".join(lines)


def render_json(jobs: Sequence[JobReceipt]) -> str:
    """Failed jobs as `GET /api/evaluation-jobs/failed` answers them (contract lumetry 12.3)."""
    return json.dumps(
        [
            {
                "id": job.id,
                "batchId": job.batch_id,
                "metricId": job.metric_key,
                "timestamp": show_time(job.point_time),
                "dimensionKey": job.dimension_key,
                "attempts": job.attempt_count,
                "last_error": job.last_error,
                "createdAt": show_time(job.create_time),
                "failedAt": show_time(job.fail_time),
            }
            for job in jobs
        ],
        indent=2,
        ensure_ascii=False,
    )


def show_time(time: datetime | None) -> str | None:
    """A time as the contract writes it; None for none."""
    if time is None:
        return None
    return f"{time.isoformat(timespec='milliseconds' if time.microsecond else 'seconds').removesuffix('+00:00')}Z"
