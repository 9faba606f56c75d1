"""Agents: named identities under which programs write their findings, and the images of host agents beside them.

Owns: agents, the default agent as which the product itself writes, and who may act as an agent. An image of a host agent holds what people
write of it here; what the host agent is, the area of host agents knows.
Words: to *act* as an agent is to write in its name, within the scopes that it allows; the *restrictions* of an agent (allowed tools, peers
and connectors) change in a browser session only; *peers* are agents that an agent may turn to.
Tables: `agents`.
Queues: none.
"""
