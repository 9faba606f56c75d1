"""Violations: points that broke a threshold, the evidence behind metric alerts.

Owns: recording, attaching to alerts, and listing of violations.
Words: violation, dimension key, late, attached.
Tables: `violations`.
"""
