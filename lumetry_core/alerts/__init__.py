"""Alerts: the waist between what is noticed and what people work on.

Owns: the lifecycle of alerts, the recorded decisions about telling people of their transitions, and system alerts.
Words: alert, open, acknowledged, closed, escalation, post-resolution watch, gate, verdict, decision, system alert.
Tables: `alerts`, `decisions`, `system_alerts`.
Queues: out `correlation` (`alert_opened`, `alert_escalated`, `alert_closed`, `violations_added`).
"""
