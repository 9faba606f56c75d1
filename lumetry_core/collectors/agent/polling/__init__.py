"""Polling metric sources: what a source shows now, as samples that ingestion takes.

Used by the collector and by the server alike, so it knows neither storage nor the wire between the two.
Words: a *source* is something that can be asked for values, an *item* is one question to it, a *sample* one value of the answer.
"""
