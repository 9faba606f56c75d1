"""Incidents: the few things that people work on, made of alerts that belong together.

Owns: correlation of alerts into incidents, the lifecycle of incidents and their timeline, and the live stream of events.
Words: incident, member, correlation key, candidate, joining, timeline entry, acknowledge, resolve, classification.
Tables: `incidents`, `incident_members`, `incident_timeline`, `incident_counters`.
Queues: in `correlation` (`alert_opened`, `alert_escalated`, `alert_closed`, `violations_added`).
"""
