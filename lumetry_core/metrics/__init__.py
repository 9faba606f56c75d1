"""What is measured and what was measured: catalog, series, the durable inbox of points, and stored points.

Owns: definitions of metrics with their fleet contracts, bindings to nodes, who refers to metrics, series, inbox partitions with their
leases, receipts of accepted batches, point segments.
Words: a metric has series (sorted labels); a series has points; a member is the dimension key of a series; an entry holds the batches
that one commit brought to one partition; an offset is one batch, or its part, within a partition; a segment holds packed points.
Tables: `metrics`, `metric_bindings`, `metric_references`, `series`, `inbox_partitions`, `inbox_owners`, `inbox_entries`, `inbox_receipts`,
`point_segments`, `series_newest`.
Queues out: none; a commit to the inbox wakes the channel `inbox`, the removal of a definition the channel `catalog`. Queues in: none.
"""
