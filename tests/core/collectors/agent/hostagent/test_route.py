"""Which way to the product is taken."""

from lumetry_core.collectors.agent.hostagent.route import FORBIDDEN_SECONDS, Route, RouteChoice

COLLECTOR, DIRECT = Route.COLLECTOR, Route.DIRECT


def away() -> RouteChoice:
    """An agent that left its collector."""
    choice = RouteChoice(has_collector=True)
    assert [choice.note_failure(COLLECTOR, 0.0), choice.note_failure(COLLECTOR, 0.0)] == [False, True]
    return choice


def test_choice_without_a_collector() -> None:
    """The direct way is the only one, whatever happens on it."""
    choice = RouteChoice(has_collector=False)
    for _ in range(5):
        assert not choice.note_failure(DIRECT, 0.0)
    assert (choice.current, choice.list_routes(0.0)) == (DIRECT, (DIRECT,))


def test_note_failure_of_the_collector() -> None:
    """One failure does not change the way, a second one in a row does."""
    choice = RouteChoice(has_collector=True)
    assert choice.current is COLLECTOR
    choice.note_failure(COLLECTOR, 0.0)
    choice.note_answer(COLLECTOR)
    choice.note_failure(COLLECTOR, 0.0)
    assert choice.current is COLLECTOR
    assert choice.note_failure(COLLECTOR, 0.0)
    assert choice.current is DIRECT


def test_note_answer_of_a_collector_that_is_back() -> None:
    """The way through the collector is taken again after its second answer in a row; a failure in between begins anew."""
    choice = away()
    assert not choice.note_answer(COLLECTOR)
    choice.note_failure(COLLECTOR, 0.0)
    assert not choice.note_answer(COLLECTOR)
    assert choice.note_answer(COLLECTOR)
    assert choice.current is COLLECTOR


def test_note_failure_of_both_ways() -> None:
    """When neither works the collector has its turn again."""
    choice = away()
    choice.note_failure(DIRECT, 0.0)
    assert choice.note_failure(DIRECT, 0.0)
    assert choice.current is COLLECTOR


def test_forbid_direct_after_the_product_demanded_the_collector() -> None:
    """The direct way is left at once and not tried again for an hour, however long the collector is away."""
    choice = away()
    choice.forbid_direct(10.0)
    assert choice.current is COLLECTOR
    assert choice.list_routes(10.0) == (COLLECTOR,)
    for _ in range(5):
        assert not choice.note_failure(COLLECTOR, 20.0)
    assert choice.list_routes(10.0 + FORBIDDEN_SECONDS) == (COLLECTOR, DIRECT)
    assert choice.note_failure(COLLECTOR, 10.0 + FORBIDDEN_SECONDS)
