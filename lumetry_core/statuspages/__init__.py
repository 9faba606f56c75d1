"""Status pages: what of the monitors the public is shown, under which names, and what it is told of outages and maintenance.

Owns: groups and components, how a status follows from a monitor's state and from maintenance, public incidents and their fixed texts, the
public page of the deployment, and its event stream.
Words: a *component* shows a monitor under a display name; its status is *derived*, or *overridden* by a person, which gives the
*effective* one; an incident is *public* when an alert of a visible component with `auto_incident` is part of it; the *told* page is the one
that followers of the event stream know.
Tables: `status_groups`, `status_components`, `status_pages`.
Queues: own `statuspages` (event types of the feed).
"""
