"""The command `lumetry import`: what other monitors watched, as monitors and channels of a running server.

Owns: reading exports of other products (`uptime_kuma`, `gatus`: pure), the plan that comes of one (`plan`), carrying it out through the
public contract (`applying`), telling what became of it (`report`).
Words: a *plan* is what to make; a *remark* says what of one is not as it was; what is *left* has no counterpart.
Tables: none.
Queues: none.
"""
