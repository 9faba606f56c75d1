"""Alerts and incidents on the command line: what `lumetry alerts` and `lumetry incidents` run.

Owns: nothing that is stored; it is a client of the public protos like any other.
Words: the *place* is where the server is and how that is known, the *screen* what the output can show, a *document* what `--json` prints:
a message in the spelling of contract lumetry.
Tables, queues: none. gRPC is imported inside commands, so that `lumetry --help` need not wait for it.
"""
