"""Which statuses of an answer count as success (contract monitoring 5.3: `200,204,3xx`)."""

import re
from functools import lru_cache

PART = re.compile(r"[1-5](?:xx|[0-9]{2})", re.ASCII | re.IGNORECASE)
MAX_PARTS = 50


def normalize_expected(text: str) -> str | None:
    """The list in its one spelling; None: it is none."""
    parts = [part.strip().lower() for part in text.split(",")]
    if not parts or len(parts) > MAX_PARTS or not all(PART.fullmatch(part) for part in parts):
        return None
    return ",".join(dict.fromkeys(parts))


@lru_cache(maxsize=256)
def read_expected(text: str) -> frozenset[int]:
    """All statuses of a list in its one spelling."""
    statuses: set[int] = set()
    for part in text.split(","):
        first = int(part[0]) * 100
        statuses |= set(range(first, first + 100)) if part.endswith("xx") else {int(part)}
    return frozenset(statuses)
