"""Load generators and the figures they measure: what `lumetry bench` runs.

Owns: nothing that is stored; every run works on a temporary data directory, on loopback, bounded in time and count.
Words: a *lane* is the share of the series that one connection sends, in order of time; a *round* measures every side once, so that
ratios between sides come from pairs of neighbouring measurements; the *guard* divides throughput by the speed of one core's decoder.
Tables, queues: none. It is a client like any other: the server runs in processes of its own.
"""
