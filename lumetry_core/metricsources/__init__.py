"""Metric sources: systems that are asked for values at intervals, by the core or by a collector near them (contract lumetry 5.8).

Owns: sources with their sealed secrets, when each is polled and by whom, what came of it, and interactive tests. How a source of each type
is asked is the library `collectors.agent.polling`, which collectors use as well.
Words: source, target (where it is), item (one question to it), poll, test, due, claimed.
Tables: `metric_sources`, `metric_source_tests`.
Queues: none; what collectors do is their work queue's.
"""
