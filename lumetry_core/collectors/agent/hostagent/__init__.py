"""Agent mode of the collector: a host and its processes, observed as the product wants it at the moment.

Words: a *pack* names metrics and their interval and is wanted or not, an *executable* stands for all its processes, a *route* is a way to
the product (through a collector or direct), the *control channel* is the heartbeat, whose answer says what is wanted.
State directory: as the collector's; `wanted.json` is the newest answer, `credential.json` names an agent.
"""
