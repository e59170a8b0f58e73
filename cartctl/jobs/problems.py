"""What went wrong in a run, in words. However much it is: of each kind the first twenty are told, the rest counted."""

from bisect import insort
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

TOLD = 20


@dataclass(slots=True)
class Problems:
    """Iterating yields lines: the items that are told, by their numbers; how many more there are; what concerns all.

    Which items are told does not depend on which answer was first: those with the least numbers.
    """

    told: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """Number and line of each item that is told, by kind."""
    counts: Counter[str] = field(default_factory=Counter)
    """How many items there are of each kind, told or not."""
    of_all: dict[str, None] = field(default_factory=dict)

    def append(self, line: str) -> None:
        """Tell of what concerns more than one item: once, however often it is found."""
        self.of_all[line] = None

    def add(self, number: int, kind: str, line: str) -> None:
        """Tell of one item, such as a message. `kind` is what many are and do: "messages of x failed"."""
        self.counts[kind] += 1
        self._tell(number, kind, line)

    def take_in(self, other: "Problems") -> None:
        """Tell of what `other` tells, too."""
        self.counts += other.counts
        self.of_all |= other.of_all
        for kind, told in other.told.items():
            for number, line in told:
                self._tell(number, kind, line)

    def _tell(self, number: int, kind: str, line: str) -> None:
        told = self.told.setdefault(kind, [])
        insort(told, (number, line))
        del told[TOLD:]

    @property
    def total(self) -> int:
        """How many there are, told or not."""
        return self.counts.total() + len(self.of_all)

    def __bool__(self) -> bool:
        return self.total > 0

    def __iter__(self) -> Iterator[str]:
        yield from (line for _, line in sorted(one for told in self.told.values() for one in told))
        for kind, count in sorted(self.counts.items()):
            if more := count - len(self.told[kind]):
                yield f"{more} more {kind}"
        yield from self.of_all
