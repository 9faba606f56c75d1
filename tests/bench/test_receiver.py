import time

from lumetry_core.bench.connection import Connection
from lumetry_core.bench.receiver import Arrival, count_repetitions, run_receiver


def test_receiver_notes_what_arrives_and_when() -> None:
    """Path, key, body and a time of this process's clock."""
    with run_receiver() as receiver:
        assert receiver.url("pager") == f"http://{receiver.address}/pager"
        before = time.perf_counter()
        with Connection(receiver.address) as connection:
            body = b'{"event":"alert.opened"}'
            head = connection.head("POST", "/pager", len(body), extra="Idempotency-Key: 7:open\r\n")
            assert connection.send(head + body).status == 200
            assert connection.request("POST", "/desk", {"event": "alert.closed"}).status == 200
        assert receiver.wait_for(2, 10.0)
        after = time.perf_counter()
        first, second = receiver.arrivals()
        assert (first.path, first.key, first.json()) == ("pager", "7:open", {"event": "alert.opened"})
        assert (second.path, second.key, second.json()) == ("desk", "", {"event": "alert.closed"})
        assert before < first.time < second.time < after
        assert receiver.arrivals(1) == [second]
        assert receiver.count() == 2


def test_wait_for_more_than_arrives_ends_in_time() -> None:
    """A page that never comes does not stop a run."""
    with run_receiver() as receiver:
        assert not receiver.wait_for(1, 0.01)


def test_repetitions_are_counted_by_key_and_path() -> None:
    """The same key at two integrations is no repetition, twice at one it is."""
    arrived = [("pager", "1:open"), ("desk", "1:open"), ("pager", "2:open"), ("pager", "1:open"), ("pager", "1:open")]
    assert count_repetitions([Arrival(0.0, path, key, b"") for path, key in arrived]) == 2
    assert count_repetitions([]) == 0
