import msgspec
import pytest

from lumetry_core.bench.alarm_senders import AlarmSender, alertmanager_batch, generic_batch, mapped_keys
from lumetry_core.bench.connection import Answer, BenchError, Connection
from lumetry_core.bench.load import Receipt


class Answering(Connection):
    """Stands for a connection whose server gives the same answer to everything."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self._head = ""

    def send(self, message: bytes | bytearray | memoryview) -> Answer:
        return self.answer


def sender(answer: Answer, status: int = 202) -> AlarmSender:
    """A sender of batches of four, the first one prepared."""
    made = AlarmSender(Answering(answer), "/events", generic_batch, status, "lane", 4)
    made.prepare()
    return made


def test_batches_never_repeat_an_occurrence() -> None:
    """Every transition is new to the source, in both dialects, and half of the definitions are mapped."""
    ours = [event for first in (0, 100) for event in generic_batch("a", first, 100, "now")["events"]]
    theirs = [alert for first in (0, 100) for alert in alertmanager_batch("a", first, 100, "now")]
    assert len({event["occurrenceKey"] for event in ours}) == 200
    assert len({tuple(alert["labels"].items()) for alert in theirs}) == 200
    assert sum(event["definitionKey"] in mapped_keys() for event in ours) == 100
    assert {event["state"] for event in ours} == {"Firing"}


def test_sender_prepares_one_batch_after_another() -> None:
    """A message is a whole request; the next one continues where it ended."""
    made = sender(Answer(202, {}, b'{"accepted":4,"duplicate":0}'))
    first = msgspec.json.decode(made.message.partition(b"\r\n\r\n")[2])
    made.prepare()
    second = msgspec.json.decode(made.message.partition(b"\r\n\r\n")[2])
    assert [event["occurrenceKey"] for event in first["events"] + second["events"]] == [f"lane-{number}" for number in range(8)]


@pytest.mark.parametrize(
    ("answer", "receipt"),
    [
        (Answer(202, {}, b'{"accepted":4,"duplicate":0}'), Receipt(4)),
        (Answer(503, {"retry-after": "5"}, b""), Receipt(0, 5.0)),
        (Answer(429, {"retry-after": "1"}, b""), Receipt(0, 1.0)),
    ],
)
def test_sender_reads_the_answer(answer: Answer, receipt: Receipt) -> None:
    """Accepted, or refused for now with the server's wish."""
    assert sender(answer).send() == receipt


@pytest.mark.parametrize("answer", [Answer(400, {}, b"bad event"), Answer(202, {}, b'{"accepted":3,"duplicate":1}')])
def test_sender_fails_when_the_server_takes_it_otherwise(answer: Answer) -> None:
    """A rejected batch, or one that counts as sent before, must not be measured."""
    with pytest.raises(BenchError):
        sender(answer).send()


def test_sender_reads_the_peers_empty_answer() -> None:
    """Alertmanager answers 200 with nothing."""
    assert sender(Answer(200, {}, b""), 200).send() == Receipt(4)
