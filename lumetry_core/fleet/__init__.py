"""Fleets: which members of a multidimensional metric deviate from their peers or from their own past. Pure decisions.

Owns: the detectors of fleet analysis, and when what they find tick after tick becomes an alert and ceases to be one.
Words: a member is an evaluation series of a metric; a roster lists the members that are analysed; a group holds members that differ in the
split dimension alone; a tick is a time at which all members are judged; a verdict is what one analysis says of a member at a tick; a run
counts consecutive ticks with the same verdict.
Tables: none. Queues: none.
"""
