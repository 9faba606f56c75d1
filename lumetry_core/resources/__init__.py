"""Resources: what running containers use, how it went, and when it is too much.

Owns: sampling through the container runtime (`worker`), what its statistics mean (`formulas`), histories in five granularities, thresholds
with hysteresis (`watch`).
Words: a *usage* is what the runtime tells at a moment, a *sample* what follows from two of them, a *span* what samples come to over a
minute, five, an hour or a day; a *round* samples every running container once.
Tables: `resource_latest`, `resource_samples`, `resource_spans`, `resource_thresholds`.
Queues: none.
"""
