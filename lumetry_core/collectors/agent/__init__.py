"""The collector: samples the host it runs on and hands the points to a core, keeping them on disk while that is away.

A client like any other: it speaks the public protos and shares no code with the server's areas.
Words: a *reading* is what the host shows at one moment, a *record* the points made of two readings, a *segment* a file of records.
State directory: `installation-id`, `host-id`, `credential.json`, `lock`, `buffer/`.
"""
