"""Verbs of the area: resources and figures of projects, and the two snapshots."""
