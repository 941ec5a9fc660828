"""What an examination found, and how it is told."""

import textwrap
from dataclasses import dataclass

from helpers.diagnosis.illnesses import ILLNESSES

WIDTH = 88


@dataclass(frozen=True)
class Finding:
    """One symptom that was measured.

    Attributes:
        name: Key of the catalogue `ILLNESSES`.
        measured: What was measured, in a sentence with its number.
        value: That number.
        where: The layer, or "" where it is about the whole.
    """

    name: str
    measured: str
    value: float
    where: str = ""

    @property
    def symptom(self) -> str:
        """What is seen."""
        return ILLNESSES[self.name].symptom

    @property
    def cause(self) -> str:
        """What it comes from, as a rule."""
        return ILLNESSES[self.name].cause

    @property
    def remedy(self) -> str:
        """What to do first."""
        return ILLNESSES[self.name].remedy

    @property
    def chapter(self) -> str:
        """Page of the book that measures it."""
        return ILLNESSES[self.name].chapter

    def __str__(self) -> str:
        lines = (
            self.symptom,
            f"Measured: {self.measured}",
            f"Cause, as a rule: {self.cause}",
            f"First remedy: {self.remedy}",
            f"Chapter: {self.chapter}",
        )
        return "\n".join(_wrapped(line, indent=2 * bool(n)) for n, line in enumerate(lines))


@dataclass(frozen=True)
class Diagnosis:
    """All findings, the first the one to mend first.

    Attributes:
        findings: The findings, in the order of the examination.
        left_out: What was not examined, and why.
    """

    findings: tuple[Finding, ...]
    left_out: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Names of the findings."""
        return [finding.name for finding in self.findings]

    @property
    def table(self) -> list[dict]:
        """A row for each finding, ready for `pandas.DataFrame`."""
        columns = "name", "where", "symptom", "measured", "value", "cause", "remedy", "chapter"
        return [{key: getattr(finding, key) for key in columns} for finding in self.findings]

    def __str__(self) -> str:
        count = len(self.findings)
        head = "Nothing found." if not count else f"{count} finding{'s' * (count > 1)}."
        parts = [head, *(f"{n}. {finding}" for n, finding in enumerate(self.findings, start=1))]
        parts += [_wrapped(f"Not examined: {what}", indent=0) for what in self.left_out]
        return "\n\n".join(parts)

    __repr__ = __str__


def _wrapped(line: str, *, indent: int) -> str:
    pad = " " * (indent + bool(indent))
    return textwrap.fill(
        line, WIDTH, initial_indent=pad, subsequent_indent=pad + "  " * bool(indent)
    )
