"""What collectors may ask for, and report, of work."""

import math
from collections.abc import Sequence

from lumetry_core.collectors.checks import MAX_CAPABILITIES, MAX_CAPABILITY, MAX_COUNT, is_text
from lumetry_core.collectors.work import MAX_CLAIMED, MAX_ERROR, MAX_SAMPLES, Outcome
from lumetry_core.runtime.errors import Faults

MAX_LABELS = 64
STATUS_CODES = range(100, 600)


def check_claim(capabilities: Sequence[str], max_items: int, path_of_max: str = "max") -> None:
    """Checks what a claim asks for. Fails with VALIDATION_FAILED."""
    faults = Faults()
    faults.check(len(capabilities) <= MAX_CAPABILITIES, "capabilities", f"must have at most {MAX_CAPABILITIES} elements")
    for position, capability in enumerate(capabilities[:MAX_CAPABILITIES]):
        path = f"capabilities[{position}]"
        faults.check(is_text(capability, MAX_CAPABILITY), path, f"must have 1 to {MAX_CAPABILITY} printable characters")
    faults.check(1 <= max_items <= MAX_CLAIMED, path_of_max, f"must be between 1 and {MAX_CLAIMED}")
    faults.raise_if_any()


def check_completion(token: str, outcome: Outcome | None) -> Outcome:
    """Checks what a collector reports, and that it says of which claim. Fails with VALIDATION_FAILED."""
    faults = Faults()
    faults.check(bool(token), "claimToken", "is required")
    if outcome is None:
        faults.add("status", "is required")
    else:
        check_outcome(outcome, faults)
    faults.raise_if_any()
    return outcome or Outcome(succeeded=False)


def check_outcome(outcome: Outcome, faults: Faults) -> None:
    """Notes what is wrong with what came of work."""
    faults.check(
        len(outcome.error) <= MAX_ERROR and "\0" not in outcome.error, "error", f"must have at most {MAX_ERROR} characters, no NUL"
    )
    faults.check(0 <= outcome.duration_ms <= MAX_COUNT, "result.durationMs", "must not be negative")
    faults.check(0 <= outcome.sample_count <= MAX_COUNT, "result.sampleCount", "must not be negative")
    is_status = outcome.status_code == 0 or outcome.status_code in STATUS_CODES
    faults.check(is_status, "result.statusCode", f"must be 0 or between {STATUS_CODES.start} and {STATUS_CODES.stop - 1}")
    faults.check(len(outcome.samples) <= MAX_SAMPLES, "result.sample", f"must have at most {MAX_SAMPLES} elements")
    for position, sample in enumerate(outcome.samples[:MAX_SAMPLES]):
        path = f"result.sample[{position}]"
        faults.check(math.isfinite(sample.value), f"{path}.value", "must be a finite number")
        faults.check(len(sample.labels) <= MAX_LABELS, f"{path}.labels", f"must have at most {MAX_LABELS} members")
        texts = (sample.metric_key, *sample.labels, *sample.labels.values())
        is_fine = all(is_storable(each) for each in texts)
        faults.check(is_fine, path, f"must have texts of at most {MAX_ERROR} characters, none of them NUL")


def is_storable(text: str) -> bool:
    """Whether a text is short enough and can be stored."""
    return len(text) <= MAX_ERROR and "\0" not in text
