"""Image updates: whether registries have newer images than those that containers run. It never pulls or restarts anything.

Owns: reading image references (`image`), comparing tags (`tags`), what labels say (`options`), asking registries (`registry`), scans, what
they found, pins and exclusions.
Words: a *reference* names an image; its *tag* is a version with a *variant* such as `alpine`, or a *stream* such as `stable`. A *scan* asks
for every running container; its *baseline* is the digest that the container runs. An *update* is found, *resolved* once the container no
longer lags behind, and *pinned* while people want it so.
Tables: `update_scans`, `update_schedules`, `update_findings`, `update_checks`, `update_pins`, `update_exclusions`.
Queues: none; the channel `updates` wakes the scanner.
"""
