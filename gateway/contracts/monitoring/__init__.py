"""Containers, endpoints, heartbeats, certificates and what is told of them: below some segments of `/api/v1`, `/ping` and `/status`."""
