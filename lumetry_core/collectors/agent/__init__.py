"""The collector: samples the host it runs on and hands the points to a core, keeping them on disk while that is away.

A client like any other: it speaks the published contracts, over gRPC or over the HTTP routes, and shares no code with the server's areas.
Words: a *reading* is what the host shows at one moment, a *record* the points made of two readings, a *segment* a file of records, a *link*
the line to the server with the credential of the moment, an *anchor* what ties the server's clock to this machine's, a *herald* the newest
sample sent before those of an outage, a *part* what the configuration starts and stops.
State directory: `installation-id`, `host-id`, `credential.json` (also both secrets of a rotation under way), `config.json` (what was
applied last), `clock.json`, `lock`, `buffer/`. All of it belongs to one installation: a copy makes a duplicate.
Exit codes: 0 told to end, 1 the state directory cannot be used, 2 wrong options, 77 the server does not admit the collector (its token is
missing or refused, or it was revoked): starting it again does not help.
"""
