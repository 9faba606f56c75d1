"""The event feed: what monitors and what is told of them, under the names of contract monitoring 17.

Owns: the registry of event types and their keys (`registry`), writing events and handing them to subscribers (`service`), following
topics of the event log as streams do (`streaming`).
Words: to *tell* an event is to write it to the organization's event log in the transaction of its change; a *subscriber* is an area above
that wants certain types as work items of its own queue.
Tables: `feed_subscriptions`; events lie in the event log of `runtime`.
Queues: into those that subscribers name.
"""
