"""Notifications: whom to tell of an alert's transitions, how, and what became of it.

Owns: integrations (targets), profiles (routing policies), channels and webhooks (targets with rules of their own), the outboxes of all.
Words: a transition is what people are told (open, escalate, close); an integration is where; a profile is to which integrations, how often
and from which severity on; the fallback is the target that an operator set for the deployment; a delivery is one transition for one
integration; a dispatch is one event for one channel or webhook. One engine sends both. Secrets and header values are sealed: only the
senders open them, for one request.
Tables: `alerting_integrations`, `alerting_profiles`, `alerting_profile_integrations`, `deliveries`, `delivery_lanes`, `held_openings`,
`repeated_incidents`, `channels`, `channel_rules`, `channel_offers`, `webhooks`, `dispatches`.
Queues: in `routing` and `webhooks`.
"""
