"""Which way to the product is taken: through the collector while it answers, else direct. Pure.

A way is left after a second failure in a row and, when it is the collector's, taken again after a second answer in a row, so that a shaky
collector does not make the agent jump between both.
"""

from collections.abc import Sequence
from enum import StrEnum

FAILURES_TO_LEAVE = 2
ANSWERS_TO_RETURN = 2
FORBIDDEN_SECONDS = 3600.0
"""For so long the direct way is not tried again after the product demanded the collector."""


class Route(StrEnum):
    """A way to the product, as a heartbeat reports it."""

    COLLECTOR = "Collector"
    DIRECT = "Direct"


class RouteChoice:
    """What is known of the ways."""

    def __init__(self, *, has_collector: bool) -> None:
        self.has_collector = has_collector
        self.current = Route.COLLECTOR if has_collector else Route.DIRECT
        """Where points go."""
        self._failures = 0
        """In a row, on the current way."""
        self._answers = 0
        """In a row, of the collector while the direct way is current."""
        self._forbidden_until: float | None = None
        self.complaint = ""
        """What people were told last of a relay that is demanded; empty: nothing, or it has been mended since."""

    def list_routes(self, elapsed_seconds: float) -> Sequence[Route]:
        """The ways to try for a heartbeat, best first: it is also the probe that finds out whether the collector is back."""
        if not self.has_collector:
            return (Route.DIRECT,)
        return (Route.COLLECTOR, Route.DIRECT) if self.may_go_direct(elapsed_seconds) else (Route.COLLECTOR,)

    def may_go_direct(self, elapsed_seconds: float) -> bool:
        """Whether the product did not demand the collector lately."""
        return self._forbidden_until is None or elapsed_seconds >= self._forbidden_until

    def note_answer(self, route: Route) -> bool:
        """Notes that the product answered this way, whatever it said. True: the current way changes."""
        if route is self.current:
            self._failures = 0
            return False
        if route is not Route.COLLECTOR:
            return False
        self._answers += 1
        return self._answers >= ANSWERS_TO_RETURN and self._change(Route.COLLECTOR)

    def note_failure(self, route: Route, elapsed_seconds: float) -> bool:
        """Notes that the product could not be reached this way. True: the current way changes."""
        if route is not self.current:
            self._answers = 0
            return False
        self._failures += 1
        if not self.has_collector or self._failures < FAILURES_TO_LEAVE:
            return False
        other = Route.DIRECT if route is Route.COLLECTOR else Route.COLLECTOR
        return (other is Route.COLLECTOR or self.may_go_direct(elapsed_seconds)) and self._change(other)

    def forbid_direct(self, elapsed_seconds: float) -> None:
        """Notes that the product demands the collector."""
        self._forbidden_until = elapsed_seconds + FORBIDDEN_SECONDS
        if self.has_collector and self.current is Route.DIRECT:
            self._change(Route.COLLECTOR)

    def _change(self, route: Route) -> bool:
        self.current = route
        self._failures = 0
        self._answers = 0
        return True
