"""Enterprise inquiries: what strangers send through the public form (contract workspace 14).

Owns: inquiries and their end.
Words: a *honeypot* is a field that people do not see; whoever fills it is a program, which must not notice that nothing was stored.
Tables: `inquiries`, kept in the deployment's first organization.
Queues: none.
"""
