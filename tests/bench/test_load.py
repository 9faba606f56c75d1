import pytest

from lumetry_core.bench.load import Receipt, run_closed_loop, run_open_loop


class ScriptedSender:
    """Answers what it was told to, then accepts; remembers what was prepared and sent."""

    def __init__(self, *receipts: Receipt | Exception) -> None:
        self.receipts = list(receipts)
        self.prepared = 0
        self.sent: list[int] = []

    def prepare(self) -> None:
        self.prepared += 1

    def send(self) -> Receipt:
        self.sent.append(self.prepared)
        receipt = self.receipts.pop(0) if self.receipts else Receipt(10)
        if isinstance(receipt, Exception):
            raise receipt
        return receipt


def test_run_closed_loop_sends_a_refused_message_again() -> None:
    """A refusal keeps the order of time: the same message goes out before the next one."""
    sender = ScriptedSender(Receipt(10), Receipt(0), Receipt(0), Receipt(10))
    load = run_closed_loop([sender], 0.02)
    assert sender.sent[:5] == [1, 2, 2, 2, 3]
    assert load.refused_messages == 2
    assert load.accepted_points == 10 * load.accepted_messages
    assert len(load.answer_seconds) == load.accepted_messages + 2


def test_run_open_loop_sends_the_due_messages_in_turn() -> None:
    """The number of messages follows from rate and time, spread evenly over the senders."""
    senders = [ScriptedSender(), ScriptedSender(), ScriptedSender()]
    load = run_open_loop(senders, 0.1, 70)
    assert [len(sender.sent) for sender in senders] == [3, 2, 2]
    assert load.accepted_messages == 7
    assert load.end - load.start >= 6 / 70


def test_run_open_loop_counts_waiting_behind_a_slow_answer() -> None:
    """A message that was due while its connection was busy is late by that time."""

    class SlowFirst(ScriptedSender):
        def send(self) -> Receipt:
            if not self.sent:
                until_free.wait(0.05)
            return super().send()

    import threading  # noqa: PLC0415 -- only this scenario blocks

    until_free = threading.Event()
    load = run_open_loop([SlowFirst()], 0.01, 1000)
    assert len(load.answer_seconds) == 10
    assert min(load.answer_seconds) > 0.035


def test_run_closed_loop_stops_all_senders_at_the_first_failure() -> None:
    """A failed connection ends the run at once and its error is raised."""
    healthy = ScriptedSender()
    with pytest.raises(ValueError, match="broken"):
        run_closed_loop([healthy, ScriptedSender(ValueError("broken"))], 600)
