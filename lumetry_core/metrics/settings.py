"""What an operator can set of metrics. Apart from `model`, so that reading a configuration does not load numpy."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of ingestion, catalog and retention (contract 20)."""

    max_queued_points: int = 5_000_000
    """`ingest.maxQueuedPoints`; 10,000 or more."""
    stale_after_hours: int = 24
    """`catalog.staleAfterHours`; 1 to 720."""
    points_days: int = 35
    """`retention.pointsDays`; raw points become five-minute roll-ups afterwards."""
    five_minute_days: int = 90
    """`retention.fiveMinuteDays`; age at which five-minute roll-ups become hourly ones."""
    hour_days: int = 400
    """`retention.hourDays`; age at which hourly roll-ups are dropped."""
    max_point_bytes: int = 0
    """`retention.maxPointBytes`; above it the oldest days are dropped. 0: no cap."""
    seal_points: int = 250_000
    """Evaluated points that make the inbox move them to segments."""
    seal_age_seconds: int = 60
    """Age of the oldest evaluated points that makes the inbox move them to segments."""
