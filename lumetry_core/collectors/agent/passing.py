"""Which calls a relay passes: those that carry what only host agents have. Whether it is valid is the product's to judge."""

import re

AGENT = re.compile(r"bearer +lmta_\S+", re.ASCII | re.IGNORECASE)
PROFILE = re.compile(r"bearer +lmtae_\S+", re.ASCII | re.IGNORECASE)
REFUSAL = "This collector relays for host agents: a profile's token to enroll, an agent's own credential for everything else."
"""To everybody else. Agents look for the id of a collector in such texts: this one names none."""


def may_pass(authorization: str, *, is_enrollment: bool) -> bool:
    """Whether the call is a host agent's, by the value of its `Authorization`."""
    return (PROFILE if is_enrollment else AGENT).fullmatch(authorization.strip()) is not None
