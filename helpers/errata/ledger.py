"""The verdict on each entry of a list of errata, from what was shown."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

PROVED, READ, STRUCK = "✓", "§", "✗"


class Verdict(NamedTuple):
    """What came of an entry.

    Attributes:
        proved: how many of its statements a cell has shown to be true.
        struck: how many a cell has shown to be false: there our list was wrong.
        source: what the rest of it is read in; empty if there is no rest.
    """

    proved: int
    struck: int
    source: str

    def __str__(self) -> str:
        if self.struck:
            return f"{STRUCK} struck in part" if self.proved or self.source else f"{STRUCK} struck"
        if not self.proved:
            return f"{READ} read"
        return f"{PROVED} proved" + (f", {READ} read" if self.source else "")


class Ledger:
    """The entries of a list of errata, by number, with their verdicts.

    An entry says that a sentence is wrong. It may make several statements. Each is shown to be
    true or false by a computation; what none can show, as who wrote a paper, rests on a source.

    Args:
        numbers: The entries to be settled.

    Example:
        >>> ledger = Ledger([1, 2])
        >>> str(ledger.settle(1, {"two and two make four": 2 + 2 == 4}))
        '✓ proved'
        >>> str(ledger.settle(2, {"three and three make five": 3 + 3 == 5}, source="a paper"))
        '✗ struck in part'
        >>> ledger.numbers("proved"), ledger.numbers("struck"), ledger.open
        ([1], [2], [])
    """

    def __init__(self, numbers: Iterable[int]) -> None:
        self.verdicts: dict[int, Verdict | None] = dict.fromkeys(numbers)

    def settle(self, number: int, shown: Mapping[str, bool] = {}, *, source: str = "") -> Verdict:
        """Enter what was shown of an entry; settled again, the last time counts.

        Args:
            number: Which entry.
            shown: Its statements, each with whether it proved to be true.
            source: What the rest of the entry is read in.

        Returns:
            The entry's `Verdict`.

        Raises:
            KeyError: There is no such entry.
            TypeError: A statement is neither true nor false, say an array.
            ValueError: Neither a statement nor a source is given.
        """
        if number not in self.verdicts:
            raise KeyError(f"`number` must be an entry of the ledger. Received: number={number!r}")
        if not shown and not source:
            raise ValueError("an entry must rest on `shown` or on `source`. Received: neither")
        for statement, truth in shown.items():
            if str(truth) not in ("True", "False"):
                raise TypeError(
                    f"a statement must be True or False. Received: {statement!r}: {truth!r}"
                )
        proved = sum(map(bool, shown.values()))
        verdict = Verdict(proved, len(shown) - proved, source)
        self.verdicts[number] = verdict
        return verdict

    @property
    def open(self) -> list[int]:
        """The entries that are not settled yet."""
        return [number for number, verdict in self.verdicts.items() if verdict is None]

    def numbers(self, word: str) -> list[int]:
        """Return the entries in whose verdicts a word stands: "proved", "read" or "struck"."""
        return [
            n for n, verdict in self.verdicts.items() if re.search(rf"\b{word}\b", str(verdict))
        ]

    def statements(self) -> tuple[int, int]:
        """Return how many statements a cell has shown to be true, and how many to be false."""
        settled = [verdict for verdict in self.verdicts.values() if verdict is not None]
        return sum(v.proved for v in settled), sum(v.struck for v in settled)
