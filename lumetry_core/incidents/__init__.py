"""Incidents: the few things that people work on, made of alerts that belong together.

Owns: correlation of alerts into incidents, the lifecycle of incidents and their timeline, what becomes of them after their resolution,
problem candidates, explanations, and the live stream of events.
Words: incident, member, correlation key, anchor, candidate, joining, timeline entry, acknowledge, resolve, classification, sweep, evidence,
reopening, follow-up, problem candidate, occurrence.
Tables: `incidents`, `incident_members`, `incident_timeline`, `incident_counters`, `incident_resolutions`, `problem_candidates`.
Queues: in `correlation` (`alert_opened`, `alert_escalated`, `alert_closed`, `alert_released`, `violations_added`, its own `sweep`);
out `routing` (`open`, `escalate`, `close`, `release`).
"""
