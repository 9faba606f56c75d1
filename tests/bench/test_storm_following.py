import msgspec
import pytest

from lumetry_core.bench.connection import BenchError
from lumetry_core.bench.receiver import Arrival
from lumetry_core.bench.storm_following import count_pages


def page(path: str, key: str, incident: int | None) -> Arrival:
    """A webhook as the product sends it, as far as the count reads it."""
    body = {"event": "alert.opened", "incident": None if incident is None else {"id": incident}}
    return Arrival(0.0, path, key, msgspec.json.encode(body))


def test_count_pages_by_integration_and_incident() -> None:
    """Integrations are counted apart, and an incident that nobody was told of counts as zero."""
    arrivals = [page("pager", "1:open", 7), page("pager", "2:open", 7), page("desk", "1:open", 7)]
    assert count_pages(arrivals, [7, 8]) == {("pager", 7): 2, ("pager", 8): 0, ("desk", 7): 1, ("desk", 8): 0}


def test_count_pages_refuses_a_page_without_an_incident() -> None:
    """Routing follows correlation: a page that knows no incident came too early."""
    with pytest.raises(BenchError, match="1:open names no incident"):
        count_pages([page("pager", "1:open", None)], [7])
