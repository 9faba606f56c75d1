"""Who is polled first when there is more to poll than room."""

from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import Protocol


class Waiting(Protocol):
    """What waits for its turn."""

    @property
    def organization_id(self) -> int:
        """Whose it is."""


def choose(waiting: Sequence[Waiting], running: Mapping[int, int], free: int, most_each: int) -> list[int]:
    """Positions of those whose turn it is: always one of the organization that has fewest at work, of it the first.

    Args:
        waiting: The oldest first.
        running: How many each organization has at work already.
        free: How many more may begin.
        most_each: An organization has at most so many at work, so that there is room for another that comes.
    """
    lines: dict[int, list[int]] = {}
    for position, each in enumerate(waiting):
        lines.setdefault(each.organization_id, []).append(position)
    heap = [(running.get(organization_id, 0), line[0], organization_id, 0) for organization_id, line in lines.items()]
    heapify(heap)
    chosen: list[int] = []
    while heap and len(chosen) < free:
        at_work, position, organization_id, place = heappop(heap)
        if at_work >= most_each:
            break
        chosen.append(position)
        line = lines[organization_id]
        if place + 1 < len(line):
            heappush(heap, (at_work + 1, line[place + 1], organization_id, place + 1))
    return chosen
