"""One look at a server's certificate: its chain is fetched, then judged.

What fetches is loaded with the first look: pyOpenSSL and cryptography are large, and many deployments watch no certificate.
"""

from collections.abc import Sequence
from dataclasses import replace

from lumetry_core.certificates.model import TIMEOUT_SECONDS, Presented
from lumetry_core.certificates.trust import TrustStore
from lumetry_core.runtime.addresses import Policy
from lumetry_core.runtime.clock import Clock


class CertificateChecker:
    """Looks at certificates, for the worker, for new monitors and for HTTPS checks."""

    def __init__(self, policy: Policy, trust: TrustStore, clock: Clock, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.policy = policy
        self._trust = trust
        self._clock = clock
        self._timeout_seconds = timeout_seconds

    async def check(self, hostname: str, port: int) -> Presented:
        """Fetches and judges a chain; raises nothing that a server can cause."""
        from lumetry_core.certificates.fetching import fetch_chain  # noqa: PLC0415 -- see the docstring

        presented = await fetch_chain(hostname, port, self.policy, timeout=self._timeout_seconds)
        return presented if presented.error else self.judge(presented.chain)

    def judge(self, der_chain: Sequence[bytes]) -> Presented:
        """Judges a chain, leaf first, that somebody else fetched."""
        presented = Presented(tuple(der_chain))
        return replace(presented, verdict=self._trust.verify(presented.chain, self._clock.now()))
