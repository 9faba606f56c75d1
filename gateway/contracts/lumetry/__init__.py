"""The family of metrics, rules, alerts, incidents and collectors: `/v1/…` and `/api/…` (docs/contracts/lumetry.md)."""
