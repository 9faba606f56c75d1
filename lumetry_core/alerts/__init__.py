"""Alerts: the waist between what is noticed and what people work on.

Owns: the lifecycle of alerts with what they affect, maintenance windows and silences, the recorded decisions about telling people of
transitions, the impact of nodes, and system alerts.
Words: alert, open, acknowledged, closed, escalation, post-resolution watch, maintenance window, occurrence (of a window), silence, matcher,
gate, verdict, decision, impact, system alert.
Tables: `alerts`, `alert_paths`, `decisions`, `maintenance_windows`, `silences`, `system_alerts`.
Queues: out `correlation` (`alert_opened`, `alert_escalated`, `alert_closed`, `alert_released`, `violations_added`), `routing`
(`silence_ended`).
"""
