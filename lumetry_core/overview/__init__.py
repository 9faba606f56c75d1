"""What is seen from above: what belongs to projects, and snapshots of a whole organization.

Owns: no data of its own; it asks the areas below, within one transaction, and puts together what they tell.
Words: *mission control* is the snapshot of people on duty (contract workspace 11), the *dashboard* that of everybody else (12); a
*machine* is a host that a collector, metric points or the container runtime have shown; *figures* are counts.
Tables: none.
Queues: none.
"""
